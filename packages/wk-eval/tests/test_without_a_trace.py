"""A training with an evaluation ends bit for bit as one without, whatever its layers keep."""

import random

import keras
import numpy as np
import pytest

from wk_core.compat.keras.flavour import backend, global_seed_generator
from wk_eval import (
    ClassificationEval,
    DetectionEval,
    RegressionEval,
    SegmentationEval,
    TextClassificationEval,
    TokenClassificationEval,
    WandbEvalCallback,
)
from wk_testing.resuming import same, values

RANDOM = np.random.default_rng(0)
SEQUENCES = RANDOM.random((20, 5, 3)).astype("float32")
PICTURES = RANDOM.random((20, 8, 8, 3)).astype("float32")
CLASSES = np.arange(20) % 3

layers = keras.layers


class Counting(layers.Layer):
    """Counts its calls, in all the ways that come to mind, and adds noise to the inputs."""

    def __init__(self):
        super().__init__()
        self.calls, self.by_name, self.array = 0, {"calls": 0}, np.zeros(2)
        self.seeds = keras.random.SeedGenerator(3)

    def build(self, input_shape):
        del input_shape
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False)
        self.trained_count = self.add_weight(shape=(), initializer="zeros")
        self.mean = keras.metrics.Mean()
        if backend() == "tensorflow":
            import tensorflow as tf

            self.own = tf.Variable(0.0, trainable=False)
            self.several = {"one": [tf.Variable(0.0, trainable=False)]}
            self.generator = tf.random.Generator.from_seed(4)

    def call(self, x):
        self.calls += 1
        self.by_name["calls"] += 1
        self.array += 1
        self.count.assign(self.count + 1)
        if backend() != "jax":  # which has such a variable constant in its steps
            self.trained_count.assign(self.trained_count + 1)
            self.mean.update_state(keras.ops.mean(x))
        noise = keras.random.normal(keras.ops.shape(x), seed=self.seeds)
        if backend() == "tensorflow":
            self.own.assign_add(1.0)
            self.several["one"][0].assign_add(1.0)
            noise += self.generator.normal(keras.ops.shape(x))
        if backend() != "jax":  # which refuses random numbers without a seed of the layer's
            noise += keras.random.normal(keras.ops.shape(x))
        return x + 0.1 * noise + 0.01 * (self.count + self.trained_count)


class Held(keras.Model):
    """A model whose layers lie in a list, a dictionary and in a layer in a layer."""

    def __init__(self):
        super().__init__()
        self.several = [layers.BatchNormalization(), layers.Dense(4)]
        self.named = {"count": Counting()}
        # What a layer makes in its first call, and draws from at once, nobody can put back.
        self.named["count"].build(None)
        self.wrapped = layers.Bidirectional(layers.SimpleRNN(2, recurrent_dropout=0.2))
        self.last = layers.Dense(3, "softmax")

    def call(self, x):
        for layer in self.several:
            x = layer(x)
        return self.last(self.wrapped(self.named["count"](x)))


class AlwaysTraining(layers.BatchNormalization):
    """Normalises with the statistics of each batch, also where it only predicts."""

    def call(self, inputs, training=None, mask=None):
        del training
        return super().call(inputs, training=True, mask=mask)


def sequences():
    """Returns a model with one layer of each kind that draws or counts."""
    inputs = keras.Input((5, 3))
    x = layers.LSTM(4, recurrent_dropout=0.2, dropout=0.2, return_sequences=True)(inputs)
    x = layers.Bidirectional(layers.SimpleRNN(2, recurrent_dropout=0.2, return_sequences=True))(x)
    x = layers.MultiHeadAttention(2, 2, dropout=0.3)(x, x)
    for layer in (
        layers.GaussianNoise(0.1),
        layers.BatchNormalization(),
        AlwaysTraining(),
        layers.SpectralNormalization(layers.Dense(4)),
        Counting(),
        layers.Flatten(),
        layers.Dropout(0.3),
        layers.Dense(3),
    ):
        x = layer(x)
    return keras.Model(inputs, x)


def pictures():
    augmented = [layers.RandomFlip(), layers.RandomRotation(0.1), layers.RandomContrast(0.2)]
    return keras.Sequential([keras.Input((8, 8, 3)), *augmented, layers.Flatten(), layers.Dense(3)])


def stateful():
    return keras.Sequential(
        [
            keras.Input(batch_shape=(4, 5, 3)),
            layers.SimpleRNN(3, stateful=True, recurrent_dropout=0.2),
            layers.Dense(3),
        ]
    )


def torch_modules():
    import torch

    module = torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(5), torch.nn.Dropout(0.3)
    )
    spectral = torch.nn.utils.parametrizations.spectral_norm(torch.nn.Linear(4, 4))
    wrapped = layers.TorchModuleWrapper(module, output_shape=(None, 5, 4))
    other = layers.TorchModuleWrapper(spectral, output_shape=(None, 5, 4))
    return keras.Sequential(
        [keras.Input((5, 3)), wrapped, other, layers.Flatten(), layers.Dense(3)]
    )


MODELS = {
    "sequences": sequences,
    "pictures": pictures,
    "stateful": stateful,
    "layers in a subclassed model": Held,
}
if backend() == "torch":
    MODELS["modules of PyTorch"] = torch_modules


def compiled(make, loss="sparse_categorical_crossentropy", **arguments):
    keras.utils.clear_session()  # the generator of numbers without a seed, up to Keras 3.12
    keras.utils.set_random_seed(4)
    model = make()
    if loss.startswith("sparse") and not isinstance(model, Held):
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, **arguments)
    return model


def ending(model, x, y, *callbacks):
    """Returns all that a training leaves behind, and the next random numbers."""
    model.fit(x, y, batch_size=4, epochs=2, verbose=0, callbacks=list(callbacks))
    kept = [*values(model), *map(np.asarray, _counts(model))]
    drawn = [random.random(), np.random.random()]
    seeds = global_seed_generator()
    if seeds is not None:
        drawn.append(keras.ops.convert_to_numpy(seeds))
    if backend() == "torch":
        import torch

        buffers = [each for layer in model._flatten_layers() for each in layer.buffers()]
        kept += [each.cpu().numpy() for each in buffers]
        drawn.append(torch.rand(2).numpy())
    return [*kept, *map(np.asarray, drawn)]


def _counts(model):
    for layer in model._flatten_layers():
        if isinstance(layer, Counting):
            # A compiled call counts when it is compiled, which predicting does once more; and Keras
            # calls a model that is not built yet another number of times.
            if not isinstance(model, Held):
                yield from (layer.calls, layer.by_name["calls"], layer.array)
            yield layer.mean.result()
            if backend() == "tensorflow":
                yield from (layer.own, layer.several["one"][0], layer.generator.state)


# What a layer counts in a weight has no gradient.
@pytest.mark.filterwarnings("ignore:Gradients do not exist for variables:UserWarning")
@pytest.mark.parametrize("kind", MODELS)
def test_training_is_as_without_an_evaluation(kind, offline_run):
    x = PICTURES if kind == "pictures" else SEQUENCES
    without = ending(compiled(MODELS[kind]), x, CLASSES)
    offline_run()
    evaluation = ClassificationEval((x, CLASSES), num_samples=10, batch_size=3, curves=False)
    assert same(ending(compiled(MODELS[kind]), x, CLASSES, evaluation), without)


def per_pixel():
    return keras.Sequential([keras.Input((8, 8, 3)), layers.GaussianNoise(1.0), Counting()])


def per_token():
    dropped = layers.SimpleRNN(3, return_sequences=True, recurrent_dropout=0.3)
    return keras.Sequential([keras.Input((5,)), layers.Embedding(9, 4), dropped])


def of_numbers():
    return keras.Sequential([keras.Input((5, 3)), layers.SimpleRNN(4, recurrent_dropout=0.3)])


def of_texts():
    recurrent = layers.SimpleRNN(3, recurrent_dropout=0.3)
    return keras.Sequential([keras.Input((5,)), layers.Embedding(9, 4), recurrent])


def of_boxes():
    flat = [layers.Flatten(), layers.Dense(12), layers.Reshape((3, 4))]
    return keras.Sequential(
        [keras.Input((8, 8, 3)), *flat, layers.SimpleRNN(4, recurrent_dropout=0.3)]
    )


def _boxes(corners):
    ones = np.ones((len(corners), 1))
    return {"boxes": corners[:, None], "labels": 0 * ones, "scores": ones}


class Own(WandbEvalCallback):
    """Predicts in the midst of an epoch, too."""

    def __init__(self, data):
        super().__init__(["id"], ["prediction"])
        self._x = data[0]

    def add_ground_truth(self, logs=None):
        del logs
        self.data_table.add_data(0)

    def add_model_predictions(self, epoch, logs=None):
        del epoch, logs
        self.pred_table.add_data(float(self.predict_on_batch(self._x[:3])[0, 0]))

    def on_train_batch_end(self, batch, logs=None):
        del batch, logs
        self.predict_on_batch(self._x[:3])


TOKENS = RANDOM.integers(0, 9, (20, 5))
BOXES = {"boxes": np.tile([1.0, 1.0, 5.0, 5.0], (20, 1, 1)), "labels": np.zeros((20, 1))}
EVALUATIONS = {
    "regression": (of_numbers, "mse", SEQUENCES, RANDOM.random((20, 4)), RegressionEval, {}),
    "texts": (of_texts, "sparse", TOKENS, CLASSES, TextClassificationEval, {}),
    "tokens": (per_token, "sparse", TOKENS, TOKENS % 3, TokenClassificationEval, {}),
    "pixels": (per_pixel, "sparse", PICTURES, TOKENS[:, :1, None] % 3, SegmentationEval, {}),
    "boxes": (of_boxes, "mse", PICTURES, BOXES["boxes"][:, 0], DetectionEval, {"labels": ["x"]}),
    "own": (of_numbers, "mse", SEQUENCES, RANDOM.random((20, 4)), Own, {}),
}


@pytest.mark.parametrize("kind", EVALUATIONS)
def test_every_evaluation_leaves_no_trace(kind, offline_run):
    make, loss, x, y, evaluation, arguments = EVALUATIONS[kind]
    if kind == "pixels":
        y = np.broadcast_to(y, (20, 8, 8)).astype("int32")
    data = (x, BOXES if kind == "boxes" else y)
    if kind == "boxes":
        arguments = {**arguments, "decode": _boxes}
    without = ending(compiled(make, loss), x, y)
    offline_run()
    assert same(ending(compiled(make, loss), x, y, evaluation(data, **arguments)), without)


def test_model_that_is_built_by_the_training(offline_run):
    """Its weights are those that its first step would have made."""

    def make():
        return keras.Sequential([layers.SimpleRNN(4, recurrent_dropout=0.3), layers.Dense(3)])

    without = ending(compiled(make), SEQUENCES, CLASSES)
    offline_run()
    evaluation = ClassificationEval((SEQUENCES, CLASSES))
    assert same(ending(compiled(make), SEQUENCES, CLASSES, evaluation), without)


class Drawing(keras.utils.PyDataset):
    """Draws its examples by global random numbers."""

    def __len__(self):
        return 5

    def __getitem__(self, number):
        chosen = np.random.permutation(20)[:4]
        return SEQUENCES[chosen] + random.random(), CLASSES[chosen] + 0 * number


@pytest.mark.backend_free
def test_drawing_examples_leaves_no_trace(offline_run):
    without = ending(compiled(of_numbers), SEQUENCES, CLASSES)
    offline_run()
    evaluation = ClassificationEval(Drawing())
    assert same(ending(compiled(of_numbers), SEQUENCES, CLASSES, evaluation), without)
