"""Models of sequences and of text."""

from typing import Any

import numpy as np

from models.example import BATCH, EAGER_BACKENDS, SAMPLES, example
from models.steps import descend
from wk_core.compat.keras.flavour import keras
from wk_eval import ClassificationEval

layers, ops = keras.layers, keras.ops

_GENERATOR = np.random.default_rng(4)
_WORDS, _LENGTH = 11, 5
_MASK = _WORDS - 1
_TEXT = _GENERATOR.integers(1, _WORDS - 1, (SAMPLES, _LENGTH + 1))
_CLASSES = np.arange(SAMPLES) % 3
_IS_MASKED = _GENERATOR.random((SAMPLES, _LENGTH)) < 0.3
_SERIES = _GENERATOR.random((SAMPLES, _LENGTH, 3)).astype("float32")
_SENTENCES = np.array([["good film"], ["bad film"], ["very good"], ["so so"]] * (SAMPLES // 4))
_OPINIONS = np.tile([[1.0], [0.0], [1.0], [0.0]], (SAMPLES // 4, 1)).astype("float32")


def _text() -> tuple[Any, ...]:
    return _TEXT[:, :-1], _TEXT[:, 1:]


def _masked_text() -> tuple[Any, ...]:
    whole = _TEXT[:, :-1]
    return np.where(_IS_MASKED, _MASK, whole), np.where(_IS_MASKED, whole, -1)


def _classes() -> tuple[Any, ...]:
    return _TEXT[:, :-1], _CLASSES


def _series() -> tuple[Any, ...]:
    return _SERIES, _CLASSES


def _sentences() -> tuple[Any, ...]:
    import tensorflow as tf

    return (tf.data.Dataset.from_tensor_slices((_SENTENCES, _OPINIONS)).batch(BATCH),)


@keras.saving.register_keras_serializable("models")
class Positions(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Embeds tokens and where they stand."""

    def __init__(self, words: int, length: int, width: int, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.sizes = {"words": words, "length": length, "width": width}
        self.tokens = layers.Embedding(words, width)
        self.places = layers.Embedding(length, width)

    def call(self, inputs: Any) -> Any:
        return self.tokens(inputs) + self.places(ops.arange(self.sizes["length"]))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.sizes}


@keras.saving.register_keras_serializable("models")
class Block(keras.layers.Layer):  # type: ignore[misc]
    """Attention and a small network, each with a normalisation."""

    def __init__(self, *, causal: bool = False, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.causal = causal
        self.attention = layers.MultiHeadAttention(2, 3, dropout=0.1, seed=1)
        self.network = keras.Sequential([layers.Dense(8, activation="gelu"), layers.Dense(6)])
        self.norms = [layers.LayerNormalization(), layers.LayerNormalization()]
        self.dropout = layers.Dropout(0.1, seed=2)

    def call(self, inputs: Any, training: bool = False) -> Any:
        attended = self.attention(inputs, inputs, use_causal_mask=self.causal, training=training)
        hidden = self.norms[0](inputs + self.dropout(attended, training=training))
        return self.norms[1](hidden + self.network(hidden))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "causal": self.causal}


@keras.saving.register_keras_serializable("models")
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """Rises, and falls with the root of the step."""

    def __init__(self, width: int, steps: int) -> None:
        super().__init__()
        self.width, self.steps = width, steps

    def __call__(self, step: Any) -> Any:
        step = ops.cast(step, "float32") + 1
        slope = ops.minimum(ops.rsqrt(step), step * self.steps**-1.5)
        return ops.rsqrt(ops.cast(self.width, "float32")) * slope * 0.1

    def get_config(self) -> dict[str, Any]:
        return {"width": self.width, "steps": self.steps}


def _transformer(outputs: int, *, pooled: bool, causal: bool = False) -> Any:
    inputs = keras.Input((_LENGTH,), dtype="int32")
    hidden = Block(causal=causal)(Positions(_WORDS, _LENGTH, 6)(inputs))
    if pooled:
        hidden = layers.GlobalAveragePooling1D()(hidden)
    return inputs, layers.Dense(outputs)(hidden)


@example(_classes, evaluation=lambda x, y: ClassificationEval((x, y)))
def transformer() -> Any:
    """A classifier with attention, and a schedule of its own."""
    inputs, outputs = _transformer(3, pooled=True)
    model = keras.Model(inputs, layers.Softmax()(outputs))
    optimizer = keras.optimizers.Adam(WarmUp(6, 4), 0.9, 0.98, clipnorm=1.0)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


class MaskedLanguage(keras.Model):  # type: ignore[misc]
    """Guesses words that are masked, and nothing else."""

    def compute_loss(self, x: Any, y: Any, y_pred: Any, *_: Any, **__: Any) -> Any:  # noqa: ARG002
        is_masked = ops.cast(y >= 0, "float32")
        losses = keras.losses.sparse_categorical_crossentropy(
            ops.maximum(y, 0), y_pred, from_logits=True
        )
        return ops.sum(losses * is_masked) / ops.maximum(ops.sum(is_masked), 1.0)


@example(_masked_text)
def masked_language() -> Any:
    """A masked language model."""
    model = MaskedLanguage(*_transformer(_WORDS, pooled=False))
    model.compile(keras.optimizers.Adam(0.01, weight_decay=1e-4))
    return model


class Generator(keras.Model):  # type: ignore[misc]
    """A small language model, which does its own steps."""

    def train_step(self, data: Any) -> Any:
        inputs, targets = data

        def loss_of() -> Any:
            logits = self(inputs, training=True)
            return ops.mean(
                keras.losses.sparse_categorical_crossentropy(targets, logits, from_logits=True)
            )

        loss = descend(self.optimizer, self.trainable_variables, loss_of)
        return {"loss": loss, "perplexity": ops.exp(loss)}


@example(_text, backends=EAGER_BACKENDS, gradients=False)
def text_generation() -> Any:
    """A language model with a `train_step`."""
    model = Generator(*_transformer(_WORDS, pooled=False, causal=True))
    model.compile(keras.optimizers.Lion(keras.optimizers.schedules.InverseTimeDecay(0.01, 3, 0.5)))
    return model


@example(_sentences, backends=("tensorflow",))
def vectorized_text() -> Any:
    """Text from the string to the opinion."""
    vectorization = layers.TextVectorization(max_tokens=9, output_sequence_length=3)
    vectorization.adapt(["good film", "bad film", "very good", "so so"])
    model = keras.Sequential(
        [
            keras.Input((1,), dtype="string"),
            vectorization,
            layers.Embedding(9, 4, mask_zero=True),
            layers.LSTM(3),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy", metrics=["AUC"])
    return model


@example(_sentences, backends=("tensorflow",))
def looked_up_text() -> Any:
    """Whole strings by their number."""
    lookup = layers.StringLookup(vocabulary=["good film", "bad film", "so so"], num_oov_indices=1)
    inputs = keras.Input((1,), dtype="string")
    hidden = layers.Flatten()(layers.Embedding(4, 3)(lookup(inputs)))
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(hidden))
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True), "binary_crossentropy")
    return model


@example(
    _series,
    backends=("tensorflow", "jax"),  # Keras 3.15 has no gradient of it on PyTorch
    evaluation=lambda x, y: ClassificationEval((x, y), batch_size=BATCH),
    fit={"batch_size": BATCH, "shuffle": False},
)
def stateful_lstm() -> Any:
    """States that go from batch to batch, of a fixed size."""
    model = keras.Sequential(
        [
            keras.Input(batch_shape=(BATCH, _LENGTH, 3)),
            layers.LSTM(4, stateful=True),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.RMSprop(0.01), "sparse_categorical_crossentropy")
    return model


@example(_series, evaluation=lambda x, y: ClassificationEval((x, y)))
def recurrent_dropout() -> Any:
    """Masks of dropout that are drawn in predictions, too."""
    model = keras.Sequential(
        [
            keras.Input((_LENGTH, 3)),
            layers.Bidirectional(layers.GRU(4, recurrent_dropout=0.2, dropout=0.1)),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adamax(0.01), "sparse_categorical_crossentropy")
    return model
