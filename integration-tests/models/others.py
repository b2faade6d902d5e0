"""Models of other kinds: policies, mixtures, pictures that are trained, graphs, several outputs."""

from typing import Any

import numpy as np

from models.example import SAMPLES, example
from wk_core.compat.keras.flavour import keras
from wk_eval import RegressionEval

layers, ops = keras.layers, keras.ops

_GENERATOR = np.random.default_rng(5)
_ROWS = _GENERATOR.random((SAMPLES, 6)).astype("float32")
_TARGETS = _ROWS.sum(axis=1, keepdims=True)
_IMAGES = _GENERATOR.random((SAMPLES, 6, 6, 2)).astype("float32")
_CLASSES = np.arange(SAMPLES) % 3
_NODES = 4
_GRAPHS = {
    "features": _GENERATOR.random((SAMPLES, _NODES, 3)).astype("float32"),
    "edges": _GENERATOR.integers(0, _NODES, (SAMPLES, 5, 2)),
}


def _regression() -> tuple[Any, ...]:
    return _ROWS, _TARGETS


def _images() -> tuple[Any, ...]:
    return _IMAGES, _CLASSES


def _graphs() -> tuple[Any, ...]:
    return _GRAPHS, _TARGETS


def _several() -> tuple[Any, ...]:
    return {"row": _ROWS, "image": _IMAGES}, {"size": _TARGETS, "kind": _CLASSES}


def _play(model: Any, callbacks: list[Any], *, epochs: int, initial_epoch: int = 0) -> Any:
    """Trains in a loop of its own, and calls the callbacks by hand."""
    history = keras.callbacks.History()
    called = keras.callbacks.CallbackList(
        [history, *callbacks], model=model, epochs=epochs, steps=4, verbose=0
    )
    called.on_train_begin()
    for epoch in range(initial_epoch, epochs):
        called.on_epoch_begin(epoch)
        model.reset_metrics()
        logs: dict[str, Any] = {}
        for episode in range(4):
            called.on_train_batch_begin(episode)
            chance = np.random.default_rng([epoch, episode])
            states = chance.random((8, 6)).astype("float32")
            outputs = model(states, training=False)
            odds = keras.ops.convert_to_numpy(outputs["actor"])
            values = keras.ops.convert_to_numpy(outputs["critic"])
            actions = (odds.cumsum(axis=1) > chance.random((8, 1))).argmax(axis=1)
            rewards = (actions == states[:, :2].argmax(axis=1)).astype("float32")[:, None]
            logs = model.train_on_batch(
                states,
                {"actor": actions, "critic": rewards},
                sample_weight={"actor": (rewards - values)[:, 0], "critic": np.ones(8)},
                return_dict=True,
            )
            called.on_train_batch_end(episode, logs)
        called.on_epoch_end(epoch, {name: float(value) for name, value in logs.items()})
    called.on_train_end()
    return history


@example(_regression, train=_play, gradients=False)
def actor_critic() -> Any:
    """A policy and the value of a state, trained in a loop of one's own."""
    inputs = keras.Input((6,))
    hidden = layers.Dense(5, activation="tanh")(inputs)
    outputs = {
        "actor": layers.Dense(2, activation="softmax", name="actor")(hidden),
        "critic": layers.Dense(1, name="critic")(hidden),
    }
    model = keras.Model(inputs, outputs)
    model.compile(
        keras.optimizers.Adam(0.01),
        {"actor": "sparse_categorical_crossentropy", "critic": "huber"},
    )
    return model


@keras.saving.register_keras_serializable("models")  # type: ignore[untyped-decorator]
def mixture_loss(y_true: Any, y_pred: Any) -> Any:
    """The negative log likelihood under a mixture of normal distributions."""
    means, scales, weights = ops.split(y_pred, 3, axis=1)
    scales = ops.softplus(scales) + 0.1
    logs = ops.log_softmax(weights) - ops.log(scales) - 0.5 * ((y_true - means) / scales) ** 2
    return -ops.logsumexp(logs, axis=1)


@example(_regression)
def mixture_density() -> Any:
    """A mixture density network, with a loss that is a function."""
    model = keras.Sequential(
        [keras.Input((6,)), layers.Dense(8, activation="elu"), layers.Dense(6)]
    )
    model.compile(keras.optimizers.Adadelta(0.5), mixture_loss)
    return model


class Style(keras.Model):  # type: ignore[misc]  # Keras ships no types
    """A picture that is trained, until a fixed network sees in it what it sees in another."""

    def __init__(self) -> None:
        super().__init__()
        self.picture = self.add_weight(
            shape=(1, 6, 6, 2), initializer=keras.initializers.RandomUniform(seed=1)
        )
        self.strength = keras.Variable(1.0, trainable=False, name="strength")
        self.features = keras.Sequential([keras.Input((6, 6, 2)), layers.Conv2D(3, 3)])
        self.features.trainable = False

    def call(self, images: Any) -> Any:
        seen = self.features(self.picture)
        return ops.mean(ops.square(self.features(images) - seen), axis=(1, 2, 3)) * self.strength

    def compute_loss(self, x: Any, y: Any, y_pred: Any, *_: Any, **__: Any) -> Any:  # noqa: ARG002
        smooth = ops.mean(ops.abs(self.picture[:, 1:] - self.picture[:, :-1]))
        return ops.mean(y_pred) + 0.1 * smooth


@example(_images)
def neural_style() -> Any:
    """Variables of the model's own."""
    model = Style()
    model.compile(keras.optimizers.Ftrl(0.05))
    model(_IMAGES[:1])
    return model


class GraphConvolution(keras.layers.Layer):  # type: ignore[misc]
    """Adds up what a node's neighbours say."""

    def __init__(self, width: int, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.own, self.others = layers.Dense(width), layers.Dense(width, use_bias=False)

    def call(self, features: Any, edges: Any) -> Any:
        sources = ops.one_hot(edges[..., 0], _NODES)
        targets = ops.one_hot(edges[..., 1], _NODES)
        neighbours = ops.einsum("bes,bet->bts", sources, targets)
        return ops.relu(self.own(features) + self.others(ops.matmul(neighbours, features)))


class GraphNetwork(keras.Model):  # type: ignore[misc]
    """Convolutions over a graph, and one number for all of it."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = [GraphConvolution(4), GraphConvolution(4)]
        self.head = layers.Dense(1)

    def call(self, inputs: Any) -> Any:
        features = inputs["features"]
        for convolution in self.convolutions:
            features = convolution(features, inputs["edges"])
        return self.head(ops.mean(features, axis=1))


@example(_graphs)
def graph_network() -> Any:
    """A network over graphs, in a dictionary of inputs."""
    model = GraphNetwork()
    model.compile(keras.optimizers.Adam(0.01, use_ema=True, ema_overwrite_frequency=3), "mse")
    model({name: each[:1] for name, each in _GRAPHS.items()})
    return model


def _sparse() -> tuple[Any, ...]:
    import tensorflow as tf

    rows = np.where(_ROWS > 0.5, _ROWS, 0)
    batches = tf.data.Dataset.from_tensor_slices((rows, _TARGETS)).batch(8)
    return (batches.map(lambda x, y: (tf.sparse.from_dense(x), y)),)


def _ragged() -> tuple[Any, ...]:
    import tensorflow as tf

    lengths = np.arange(SAMPLES) % 5 + 1
    words = np.random.default_rng(6).integers(0, 9, lengths.sum())
    rows = tf.RaggedTensor.from_row_lengths(words, lengths)
    return (tf.data.Dataset.from_tensor_slices((rows, _TARGETS)).batch(8),)


@example(_sparse, backends=("tensorflow",), gradients=False)
def sparse_inputs() -> Any:
    """Sparse rows."""
    inputs = keras.Input((6,), sparse=True)
    model = keras.Model(inputs, layers.Dense(1)(layers.Dense(4, activation="relu")(inputs)))
    model.compile(keras.optimizers.Adam(0.02), "mse")
    return model


@example(_ragged, backends=("tensorflow",), gradients=False)
def ragged_inputs() -> Any:
    """Rows of different lengths."""
    inputs = keras.Input((None,), dtype="int64", ragged=True)
    hidden = layers.GlobalAveragePooling1D()(layers.Embedding(9, 4)(inputs))
    model = keras.Model(inputs, layers.Dense(1)(hidden))
    model.compile(keras.optimizers.Adam(0.02), "mse")
    return model


@example(_several, fit={"validation_data": _several()})
def several_outputs() -> Any:
    """Two inputs, two outputs, and losses in a dictionary."""
    row, image = keras.Input((6,), name="row"), keras.Input((6, 6, 2), name="image")
    seen = layers.Flatten()(layers.MaxPooling2D()(layers.SeparableConv2D(3, 3)(image)))
    hidden = layers.concatenate([layers.Dense(4)(row), seen])
    outputs = {
        "size": layers.Dense(1, name="size")(hidden),
        "kind": layers.Dense(3, activation="softmax", name="kind")(hidden),
    }
    model = keras.Model({"row": row, "image": image}, outputs)
    model.compile(
        keras.optimizers.Adam(0.01),
        {"size": "mse", "kind": "sparse_categorical_crossentropy"},
        loss_weights={"size": 1.0, "kind": 0.5},
        metrics={"size": ["mae"], "kind": ["accuracy"]},
    )
    return model


@keras.saving.register_keras_serializable("models")
class WeightNormalized(keras.layers.Wrapper):  # type: ignore[misc]
    """Trains direction and length of a layer's kernel apart."""

    def build(self, shape: Any) -> None:
        super().build(shape)
        width = self.layer.kernel.shape[-1]
        self.length = self.add_weight(shape=(width,), initializer="ones", name="length")

    def call(self, inputs: Any) -> Any:
        kernel = self.layer.kernel
        direction = kernel / ops.sqrt(ops.sum(ops.square(kernel), axis=0) + 1e-6)
        return ops.matmul(inputs, direction * self.length) + self.layer.bias


@example(_regression, evaluation=lambda x, y: RegressionEval((x, y)))
def normalized_weights() -> Any:
    """Weight and spectral normalisation."""
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.SpectralNormalization(layers.Dense(5)),
            WeightNormalized(layers.Dense(4)),
            layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), "mse", metrics=["r2_score"])
    return model


class FineTune(keras.callbacks.Callback):  # type: ignore[misc]
    """Thaws the base in the second epoch, with an optimizer of its own."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        if epoch >= 1 and not self.model.get_layer("base").trainable:
            self.model.get_layer("base").trainable = True
            self.model.compile(keras.optimizers.Adam(1e-3), "mse")
            self.model.make_train_function()


@example(
    _regression,
    callbacks=lambda: [FineTune()],
    evaluation=lambda x, y: RegressionEval((x, y)),
    # Keras' trainer on JAX hands on what it trains from epoch to epoch.
    backends=("tensorflow", "torch"),
)
def fine_tuning() -> Any:
    """A frozen base that is thawed by a callback, which compiles the model anew."""
    base = keras.Sequential(
        [keras.Input((6,)), layers.Dense(5), layers.BatchNormalization()], name="base"
    )
    base.trainable = False
    model = keras.Sequential([keras.Input((6,)), base, layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.01), "mse")
    return model


@example(_images)
def mixed_precision() -> Any:
    """Half precision, a scaled loss, and gradients of several batches at a time."""
    with_policy = {"dtype": "mixed_float16"}
    model = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            layers.Conv2D(3, 3, **with_policy),
            layers.BatchNormalization(**with_policy),
            layers.Flatten(**with_policy),
            layers.Dense(3, activation="softmax", dtype="float32"),
        ]
    )
    inner = keras.optimizers.Adam(
        keras.optimizers.schedules.PolynomialDecay(0.02, 6), gradient_accumulation_steps=2
    )
    optimizer = keras.optimizers.LossScaleOptimizer(inner)
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return model


@example(_regression, backends=("torch",))
def torch_module() -> Any:
    """A module of PyTorch within a Keras model."""
    import torch

    module = torch.nn.Sequential(
        torch.nn.Linear(6, 5), torch.nn.BatchNorm1d(5), torch.nn.Dropout(0.1)
    )
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.TorchModuleWrapper(module, output_shape=(None, 5)),
            layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.Adam(0.02), "mse")
    return model


def jax_call(params: Any, inputs: Any) -> Any:
    """A layer as JAX has it."""
    import jax

    return jax.numpy.tanh(inputs @ params["kernel"] + params["bias"])


def jax_parameters(rng: Any, inputs: Any) -> Any:
    """Its parameters."""
    import jax

    return {
        "kernel": jax.random.normal(rng, (inputs.shape[-1], 4)) * 0.3,
        "bias": jax.numpy.zeros(4),
    }


@example(_regression, backends=("jax",))
def jax_layer() -> Any:
    """A function of JAX within a Keras model."""
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.JaxLayer(jax_call, jax_parameters, seed=1),
            layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.Adam(0.02), "mse")
    return model
