"""Models that compare: contrastive, siamese, distilled, retrieved."""

from typing import Any

import numpy as np

from models.example import SAMPLES, example
from wk_core.compat.keras.flavour import keras
from wk_eval import ClassificationEval

layers, ops = keras.layers, keras.ops

_GENERATOR = np.random.default_rng(3)
_IMAGES = _GENERATOR.random((SAMPLES, 6, 6, 1)).astype("float32")
_ROWS = _GENERATOR.random((SAMPLES, 6)).astype("float32")
_TRIPLES = {
    name: _GENERATOR.random((SAMPLES, 6)).astype("float32")
    for name in ("anchor", "positive", "negative")
}
_CLASSES = np.arange(SAMPLES) % 3
_PAIRS = {"user": _GENERATOR.integers(0, 9, SAMPLES), "item": _GENERATOR.integers(0, 7, SAMPLES)}


def _images() -> tuple[Any, ...]:
    return (_IMAGES,)


def _classes() -> tuple[Any, ...]:
    return _ROWS, _CLASSES


def _triples() -> tuple[Any, ...]:
    return (_TRIPLES,)


def _pairs() -> tuple[Any, ...]:
    return (_PAIRS,)


def _dense(inputs: int, outputs: int) -> Any:
    return keras.Sequential(
        [keras.Input((inputs,)), layers.Dense(5, activation="relu"), layers.Dense(outputs)]
    )


class Contrastive(keras.Model):  # type: ignore[misc]  # Keras ships no types
    """Brings two views of an image together in front of all others."""

    def __init__(self) -> None:
        super().__init__()
        self.augmenter = keras.Sequential(
            [
                keras.Input((6, 6, 1)),
                layers.GaussianNoise(0.1, seed=1),
                layers.SpatialDropout2D(0.1, seed=2),
                layers.Dropout(0.1, seed=3),
            ]
        )
        self.encoder = keras.Sequential(
            [keras.Input((6, 6, 1)), layers.Conv2D(3, 3, strides=2), layers.Flatten()]
        )
        self.head = _dense(12, 4)
        self.accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")

    @property
    def metrics(self) -> list[Any]:
        return [*super().metrics, self.accuracy]

    def call(self, images: Any, training: bool = False) -> Any:
        view = self.augmenter(images, training=training)
        return ops.normalize(self.head(self.encoder(view)), axis=1)

    def compute_loss(self, x: Any, y: Any, y_pred: Any, *_: Any, **__: Any) -> Any:  # noqa: ARG002
        similar = ops.matmul(y_pred, ops.transpose(self(x, training=True))) / 0.5
        own = ops.arange(ops.shape(similar)[0])
        self.accuracy.update_state(own, similar)
        there = keras.losses.sparse_categorical_crossentropy(own, similar, from_logits=True)
        back = keras.losses.sparse_categorical_crossentropy(
            own, ops.transpose(similar), from_logits=True
        )
        return ops.mean(there + back) / 2


# On JAX the loss becomes NaN, without wk as well.
@example(_images, backends=("tensorflow", "torch"))
def simclr() -> Any:
    """Contrastive learning."""
    model = Contrastive()
    model.compile(keras.optimizers.AdamW(0.01))
    model(_IMAGES[:1])
    return model


class Siamese(keras.Model):  # type: ignore[misc]
    """One network for three inputs, and a loss about their distances."""

    def __init__(self, embedding: Any) -> None:
        super().__init__()
        self.embedding = embedding

    def call(self, inputs: Any) -> Any:
        return {name: self.embedding(each) for name, each in inputs.items()}

    def compute_loss(self, x: Any, y: Any, y_pred: Any, *_: Any, **__: Any) -> Any:  # noqa: ARG002
        def distance(name: str) -> Any:
            return ops.sum(ops.square(y_pred["anchor"] - y_pred[name]), axis=1)

        return ops.mean(ops.relu(distance("positive") - distance("negative") + 0.5))


@example(_triples, no_archive="a model in the constructor, and no `get_config`")
def siamese() -> Any:
    """A siamese network with the triplet loss."""
    model = Siamese(_dense(6, 3))
    model.compile(keras.optimizers.Adam(0.01))
    model({name: each[:1] for name, each in _TRIPLES.items()})
    return model


class Distiller(keras.Model):  # type: ignore[misc]
    """A student that learns from a teacher, which stays as it is."""

    def __init__(self, student: Any, teacher: Any) -> None:
        super().__init__()
        self.student, self.teacher = student, teacher
        self.teacher.trainable = False

    def compile(self, *arguments: Any, temperature: float = 2.0, **named: Any) -> None:
        super().compile(*arguments, **named)
        self.temperature = temperature

    def call(self, inputs: Any) -> Any:
        return self.student(inputs)

    def compute_loss(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None, training: bool = True
    ) -> Any:
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        wanted = ops.softmax(self.teacher(x, training=False) / self.temperature)
        shown = ops.softmax(y_pred / self.temperature)
        return loss + ops.mean(keras.losses.kl_divergence(wanted, shown)) * self.temperature**2


@example(
    _classes,
    no_archive="models in the constructor, and no `get_config`",
    evaluation=lambda x, y: ClassificationEval((x, y)),
    fit={"validation_data": (_ROWS[:16], _CLASSES[:16])},
)
def distillation() -> Any:
    """Knowledge distillation."""
    model = Distiller(_dense(6, 3), _dense(6, 3))
    model.compile(
        keras.optimizers.Adam(0.01),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        temperature=3.0,
    )
    model(_ROWS[:1])
    return model


@keras.saving.register_keras_serializable("models")
class Rank(keras.metrics.Metric):  # type: ignore[misc]
    """The mean rank of the wanted item among those of the batch."""

    def __init__(self, name: str = "rank", **arguments: Any) -> None:
        super().__init__(name=name, **arguments)
        self.total = self.add_weight(name="total", initializer="zeros")
        self.count = self.add_weight(name="count", initializer="zeros")

    def update_state(self, scores: Any) -> None:
        """Counts the items with a better score than the wanted one, on the diagonal."""
        own = ops.diagonal(scores)[:, None]
        ranks = ops.sum(ops.cast(scores > own, "float32"), axis=1)
        self.total.assign_add(ops.sum(ranks))
        self.count.assign_add(ops.cast(ops.shape(scores)[0], "float32"))

    def result(self) -> Any:
        return self.total / ops.maximum(self.count, 1.0)


class Retrieval(keras.Model):  # type: ignore[misc]
    """Two towers, of users and of items."""

    def __init__(self) -> None:
        super().__init__()
        self.users = keras.Sequential([layers.Embedding(9, 4), layers.Dense(3)])
        self.items = keras.Sequential([layers.Embedding(7, 4), layers.Dense(3)])
        self.rank = Rank()

    @property
    def metrics(self) -> list[Any]:
        return [*super().metrics, self.rank]

    def call(self, inputs: Any) -> Any:
        return ops.matmul(self.users(inputs["user"]), ops.transpose(self.items(inputs["item"])))

    def compute_loss(self, x: Any, y: Any, y_pred: Any, *_: Any, **__: Any) -> Any:  # noqa: ARG002
        self.rank.update_state(y_pred)
        own = ops.arange(ops.shape(y_pred)[0])
        return ops.mean(keras.losses.sparse_categorical_crossentropy(own, y_pred, from_logits=True))


@example(_pairs)
def retrieval() -> Any:
    """A recommender that finds items."""
    model = Retrieval()
    model.compile(keras.optimizers.Adagrad(0.1))
    model({name: each[:2] for name, each in _PAIRS.items()})
    return model
