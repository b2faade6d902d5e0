"""Sane trainings, some of them with steep norms."""

from typing import Any

import numpy as np

from divergence.training import (
    BATCH,
    STEPS,
    Training,
    classes,
    compiled,
    dense,
    features,
    healthy,
    targets,
)
from wk_core.compat.keras.flavour import keras

layers, ops, optimizers = keras.layers, keras.ops, keras.optimizers
schedules = optimizers.schedules

_SAMPLES = BATCH * STEPS


@healthy
def classification() -> Training:
    """Learns three classes."""
    x = features()
    model = compiled(dense(outputs=3, activation="softmax"), loss="sparse_categorical_crossentropy")
    return Training(model, x, classes(x), {"epochs": 3})


def _plain(optimizer: Any, *, epochs: int = 2, loss: Any = "mse", model: Any = None) -> Training:
    x = features()
    model = compiled(dense() if model is None else model, optimizer, loss)
    return Training(model, x, targets(x), {"epochs": epochs})


@healthy
def warm_up() -> Training:
    """Has a rate that rises to fifty thousand times its beginning."""
    rate = schedules.CosineDecay(1e-6, 60, warmup_target=0.05, warmup_steps=40)
    return _plain(optimizers.SGD(rate, momentum=0.9))


@healthy
def restarts() -> Training:
    """Has a rate that is put back to its beginning again and again."""
    return _plain(optimizers.SGD(schedules.CosineDecayRestarts(0.05, 20), momentum=0.9), epochs=3)


@healthy
def edge_of_stability() -> Training:
    """Goes down with all samples at once, at nearly the highest possible rate."""
    training = _plain(optimizers.SGD(0.45))
    return Training(training.model, training.x, training.y, {"batch_size": _SAMPLES, "epochs": 80})


@healthy
def converged_to_zero_then_other_data() -> Training:
    """Sees other data once its loss is next to 0."""
    x = np.ones((_SAMPLES, 4), "float32")
    y = np.ones((_SAMPLES, 1), "float32")
    x[320:], y[320:] = features()[320:], 5
    return Training(compiled(dense(), optimizers.SGD(0.1)), x, y)


@healthy
def sparse_rewards() -> Training:
    """Has targets of 0 but for a few large ones."""
    x = features()
    rewards = np.zeros((_SAMPLES, 1), "float32")
    rewards[200::70] = 100
    return Training(compiled(dense()), x, rewards)


@healthy
def policy_that_is_seldom_rewarded() -> Training:
    """Has gradients of next to 0 before the first reward."""

    def loss(rewards: Any, logits: Any) -> Any:
        policy = ops.log_softmax(logits)
        entropy = ops.sum(ops.exp(policy) * policy, axis=-1)
        return ops.mean(0.001 * entropy - rewards[:, 0] * policy[:, 0])

    rewards = np.zeros((_SAMPLES, 1), "float32")
    rewards[240:248] = 50
    model = dense(outputs=3)
    model.layers[-1].kernel.assign(np.zeros((8, 3)))
    return Training(compiled(model, loss=loss), features(), rewards)


@healthy
def rare_words() -> Training:
    """Sees most rows of an embedding seldom."""
    random = np.random.default_rng(5)
    words = np.minimum(random.zipf(1.3, (_SAMPLES, 6)) - 1, 499)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Embedding(500, 8, name="words"),
            layers.GlobalAveragePooling1D(),
            layers.Dense(1, activation="sigmoid", name="head"),
        ]
    )
    y = (words.max(axis=1, keepdims=True) > 100).astype("float32")
    return Training(compiled(model, loss="binary_crossentropy"), words, y, {"epochs": 3})


@healthy
def adversarial() -> Training:
    """Trains two networks against each other."""

    class Adversarial(keras.Model):  # type: ignore[misc]  # Keras ships no types
        """Two networks against each other: the gradient is reversed between them."""

        def __init__(self) -> None:
            super().__init__()
            self.generator = dense(outputs=4)
            self.discriminator = dense()

        def call(self, noise: Any) -> Any:
            return self.generator(noise)

        def compute_loss(
            self,
            x: Any = None,  # noqa: ARG002
            y: Any = None,
            y_pred: Any = None,
            *_: Any,
            **__: Any,
        ) -> Any:
            faked = 2 * ops.stop_gradient(y_pred) - y_pred
            true = ops.mean(ops.softplus(-self.discriminator(y)))
            return true + ops.mean(ops.softplus(self.discriminator(faked)))

    model = Adversarial()
    model(features()[:1])
    model.discriminator(features()[:1])
    x, y = features(), features()[::-1] * 3 + 2
    return Training(compiled(model, optimizers.Adam(0.05), None), x, y, {"epochs": 3})


@healthy
def noise_in_single_samples() -> Training:
    """Trains on one sample at a time, with dropout."""
    training = _plain(optimizers.SGD(0.02), epochs=1, model=dense(layers.Dropout(0.5)))
    return Training(training.model, training.x, training.y, {"batch_size": 1})


@healthy
def outliers_in_the_targets() -> Training:
    """Has targets whose noise has no variance."""
    training = _plain(optimizers.Adam(0.01), epochs=2)
    training.y[:] += np.random.default_rng(9).standard_t(1.5, training.y.shape)
    return training


@healthy
def large_targets() -> Training:
    """Has targets of thousands."""
    training = _plain(optimizers.SGD(0.001), epochs=4)
    training.y[:] = training.y * 100 + 3000
    return training


@healthy
def bias_of_large_targets() -> Training:
    """Learns a bias of ten thousand."""
    x = features()
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1, name="head")])
    return Training(compiled(model, optimizers.SGD(0.3)), x, targets(x) + 10_000)


@healthy
def sum_as_a_loss() -> Training:
    """Adds up the losses of a batch."""
    return _plain(optimizers.Adam(0.01), loss=keras.losses.MeanSquaredError(reduction="sum"))


@healthy
def rare_class_with_a_weight() -> Training:
    """Weighs a rare class a hundred times."""
    x = features()
    y = (x[:, :1] > 2.2).astype("float32")
    model = compiled(dense(activation="sigmoid"), loss="binary_crossentropy")
    return Training(model, x, y, {"class_weight": {0: 1.0, 1: 100.0}, "epochs": 2})


@healthy
def branch_that_begins_at_zero() -> Training:
    """Has a branch whose last kernel is 0 at first."""
    inputs = keras.Input((4,))
    hidden = layers.Dense(8, name="encoder")(inputs)
    branch = layers.Dense(8, activation="relu", name="branch")(hidden)
    gate = layers.Dense(8, kernel_initializer="zeros", name="gate")(branch)
    outputs = layers.Dense(1, name="head")(hidden + gate)
    return _plain(optimizers.Adam(0.02), model=keras.Model(inputs, outputs))


@healthy
def harder_examples_later() -> Training:
    """Sees data ten times as large in the second half."""
    training = _plain(optimizers.Adam(0.01), epochs=1)
    training.x[200:] *= 10
    training.y[200:] *= 10
    return training


@healthy
def pairs_that_are_soon_apart() -> Training:
    """Has a loss that is soon exactly 0 for most samples."""

    def loss(y_true: Any, y_pred: Any) -> Any:
        return ops.mean(ops.relu(1.0 - ops.sign(y_true) * y_pred))

    return _plain(optimizers.Adam(0.05), loss=loss, epochs=3)


@healthy
def convolutions_with_normalization() -> Training:
    """Has kernels whose scale means nothing."""
    x = np.random.default_rng(7).random((_SAMPLES, 8, 8, 1)).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(4, 3, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(1, name="head"),
        ]
    )
    return Training(compiled(model, optimizers.SGD(0.5)), x, x.mean(axis=(1, 2)), {"epochs": 2})


@healthy
def recurrent_net_with_clipping() -> Training:
    """Clips the gradients of an LSTM."""
    x = np.random.default_rng(8).normal(size=(_SAMPLES, 12, 2)).astype("float32")
    model = keras.Sequential([keras.Input((12, 2)), layers.LSTM(8), layers.Dense(1, name="head")])
    y = x[:, 0].sum(axis=1, keepdims=True)
    return Training(compiled(model, optimizers.SGD(0.5, clipnorm=1.0)), x, y, {"epochs": 2})


@healthy
def half_precision_whose_scale_overflows() -> Training:
    """Overflows again and again, which loss scaling is made for."""
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = dense(layers.Dense(8))
    finally:
        keras.config.set_dtype_policy("float32")
    optimizer = optimizers.LossScaleOptimizer(
        optimizers.SGD(0.01), initial_scale=2.0**30, dynamic_growth_steps=5
    )
    return _plain(optimizer, model=model)


@healthy
def accumulated_gradients() -> Training:
    """Updates its weights every fourth batch."""
    return _plain(optimizers.Adam(0.01, gradient_accumulation_steps=4), epochs=2)


@healthy
def plateau_before_learning() -> Training:
    """Learns next to nothing for long."""
    model = dense(layers.Dense(8, activation="sigmoid"), layers.Dense(8, activation="sigmoid"))
    for layer in model.layers:
        layer.kernel.assign(layer.kernel * 0.05)
    return _plain(optimizers.SGD(0.5, momentum=0.9), epochs=6, model=model)
