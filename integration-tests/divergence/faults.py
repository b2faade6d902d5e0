"""Trainings that diverge, each for another reason."""

from typing import Any

import numpy as np

from divergence.training import (
    BATCH,
    BROKEN,
    STEPS,
    Training,
    compiled,
    dense,
    fault,
    features,
    targets,
)
from wk_core.compat.keras.flavour import keras

layers, ops, optimizers = keras.layers, keras.ops, keras.optimizers

_BAD = slice(BROKEN * BATCH, (BROKEN + 1) * BATCH)
_AFTER_UPDATES = range(BROKEN - 1, BROKEN + 2)


class _Function(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """A layer that calls a function."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def call(self, inputs: Any) -> Any:
        return self.function(inputs)


class _DividingByZero(keras.constraints.Constraint):  # type: ignore[misc]
    """Divides what it is given by 0."""

    def __call__(self, kernel: Any) -> Any:
        """Returns nothing finite."""
        return kernel / ops.norm(kernel - kernel)


class _AtBatch(keras.callbacks.Callback):  # type: ignore[misc]
    """Calls a function with the model before the batch in which something goes wrong."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        if batch == BROKEN:
            self.function(self.model)


class _Rate(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """A rate that is another one from some update on."""

    def __init__(self, first: float, then: float) -> None:
        self.first, self.then = first, then

    def __call__(self, step: Any) -> Any:
        return ops.where(step < BROKEN, self.first, self.then)


def _regression(model: Any = None, x: Any = None, **arguments: Any) -> Training:
    x = features() if x is None else x
    arguments = {"optimizer": optimizers.Adam(0.01), **arguments}
    return Training(compiled(dense() if model is None else model, **arguments), x, targets(x))


def _with_bad_batch(value: float, *middle: Any, **arguments: Any) -> Training:
    training = _regression(dense(*middle), **arguments)
    training.x[_BAD] = value
    return training


@fault("gradient not finite", "loss")
def missing_value_in_the_inputs() -> Training:
    """Has a NaN in the inputs of one batch."""
    training = _regression()
    training.x[BROKEN * BATCH + 3, 1] = np.nan
    return training


@fault("gradient not finite", "loss")
def missing_value_in_the_targets() -> Training:
    """Has a NaN in the targets of one batch."""
    training = _regression()
    training.y[BROKEN * BATCH + 3] = np.nan
    return training


@fault("gradient exploded", "loss")
def missing_value_written_as_a_large_number() -> Training:
    """Has a target of -99,999,999, which stands for a missing one."""
    training = _regression()
    training.y[BROKEN * BATCH + 3] = -99_999_999
    return training


@fault("gradient exploded", "loss")
def batch_that_was_not_scaled() -> Training:
    """Has a batch of another unit."""
    model = dense(layers.Dense(8, name="middle"))
    model.layers[0].activation = keras.activations.linear
    training = _regression(model, optimizer=optimizers.SGD(0.001))
    training.x[_BAD] *= 1e7
    return training


@fault("gradient not finite", "loss")
def label_out_of_range() -> Training:
    """Has a target below 0 under a loss with a logarithm of it."""

    def loss(y_true: Any, y_pred: Any) -> Any:
        return ops.mean((ops.log(1 + y_true) - ops.log(1 + y_pred)) ** 2)

    x = features()
    y = np.abs(targets(x))
    y[BROKEN * BATCH + 3] = -2
    return Training(compiled(dense(activation="softplus"), loss=loss), x, y)


@fault("weight exploded", "update", layer="encoder", steps=range(4))
def rate_too_high() -> Training:
    """Diverges from the first update on."""
    model = dense()
    model.layers[0].activation = keras.activations.linear
    return _regression(model, optimizer=optimizers.SGD(100.0))


@fault("weight exploded", "update", layer="encoder", steps=_AFTER_UPDATES)
def schedule_that_jumps() -> Training:
    """Has a rate that is suddenly a million times as high."""
    return _regression(optimizer=optimizers.Adam(_Rate(0.01, 1e4)))


@fault("weight not finite", "update", layer="encoder", steps=_AFTER_UPDATES)
def schedule_that_divides_by_zero() -> Training:
    """Has a rate that is NaN from some update on."""
    return _regression(optimizer=optimizers.SGD(_Rate(0.01, np.nan)))


@fault("gradient not finite", "loss")
def overflow_in_half_precision() -> Training:
    """Computes an error that half precision cannot hold, without a scale of the loss."""
    x = features()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = dense()
    finally:
        keras.config.set_dtype_policy("float32")
    y = targets(x)
    y[_BAD] *= 1e5
    return Training(compiled(model, optimizers.SGD(1e-6), auto_scale_loss=False), x, y)


@fault("steps skipped", "loss scale", steps=range(20, 45))
def overflow_at_any_loss_scale() -> Training:
    """Overflows in the forward pass, whatever the scale of the loss is."""
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = dense(_Function(lambda hidden: hidden * 60_000 * 60_000))
    finally:
        keras.config.set_dtype_policy("float32")
    return _regression(model)


def _standardize(hidden: Any) -> Any:
    centred = hidden - ops.mean(hidden, axis=0, keepdims=True)
    return centred / ops.sqrt(ops.mean(centred**2, axis=0, keepdims=True))


@fault("gradient not finite", "loss")
def variance_of_zero() -> Training:
    """Divides by the standard deviation of a batch of equal rows."""
    return _with_bad_batch(0.5, _Function(_standardize))


def _with_zero_row(*middle: Any) -> Training:
    """Returns a training of which one row is 0 behind the encoder."""
    encoder = layers.Dense(8, activation="tanh", use_bias=False, name="encoder")
    head = layers.Dense(1, name="head")
    training = _regression(keras.Sequential([keras.Input((4,)), encoder, *middle, head]))
    training.x[BROKEN * BATCH + 3] = 0
    return training


@fault("gradient not finite", "layer", layer="encoder")
def root_of_zero() -> Training:
    """Differentiates a root at 0, whose value is fine."""

    def length(hidden: Any) -> Any:
        return ops.sqrt(ops.sum(hidden**2, axis=-1, keepdims=True))

    return _with_zero_row(_Function(length))


@fault("gradient not finite", "loss")
def division_by_zero() -> Training:
    """Divides a row of zeros by its sum."""

    def normalize(hidden: Any) -> Any:
        return hidden / ops.sum(ops.abs(hidden), axis=-1, keepdims=True)

    return _with_zero_row(_Function(normalize))


@fault("gradient not finite", "loss")
def logarithm_of_zero() -> Training:
    """Is sure of the wrong class."""

    def loss(y_true: Any, y_pred: Any) -> Any:
        return -ops.mean(y_true * ops.log(y_pred) + (1 - y_true) * ops.log(1 - y_pred))

    x = features()
    y = (x[:, :1] > 0).astype("float32")
    x[BROKEN * BATCH + 3] = 1e4
    y[BROKEN * BATCH + 3] = 0
    model = dense(activation="sigmoid")
    model.layers[0].activation = keras.activations.linear
    model.layers[0].set_weights([np.eye(4, 8), np.zeros(8)])
    model.layers[1].set_weights([np.ones((8, 1)), np.zeros(1)])
    return Training(compiled(model, optimizers.SGD(0.001), loss), x, y)


@fault("gradient not finite", "loss")
def exponential_that_overflows() -> Training:
    """Computes an exponential of large numbers."""
    model = dense(_Function(ops.exp))
    model.layers[0].activation = keras.activations.relu
    training = _regression(model)
    training.x[_BAD] = np.abs(training.x[_BAD]) * 1e5
    return training


@fault("gradient not finite", "loss")
def attention_that_sees_nothing() -> Training:
    """Attends to a row all of which is masked."""

    class Attention(keras.layers.Layer):  # type: ignore[misc]
        def call(self, inputs: Any) -> Any:
            values, is_there = inputs
            scores = ops.where(is_there > 0, values, -np.inf)
            return ops.softmax(scores) * values

    values, is_there = keras.Input((4,)), keras.Input((8,))
    hidden = layers.Dense(8, name="encoder")(values)
    outputs = layers.Dense(1, name="head")(Attention()([hidden, is_there]))
    x, mask = features(), np.ones((BATCH * STEPS, 8), "float32")
    mask[BROKEN * BATCH + 3] = 0
    return Training(compiled(keras.Model([values, is_there], outputs)), [x, mask], targets(x))


@fault("gradient not finite", "layer", layer="encoder")
def penalty_of_a_layer() -> Training:
    """Adds the logarithm of a layer's outputs to the loss, some of which are 0."""

    class Entropy(keras.layers.Layer):  # type: ignore[misc]
        def call(self, inputs: Any) -> Any:
            self.add_loss(-1e-3 * ops.mean(ops.log(ops.abs(inputs))))
            return inputs

    return _with_zero_row(Entropy())


@fault("gradient exploded", "layer", layer="recurrent")
def recurrent_net_that_explodes() -> Training:
    """Sees long sequences after short ones, with a large recurrent kernel."""
    x = np.random.default_rng(3).normal(size=(BATCH * STEPS, 30, 2)).astype("float32")
    x[: BROKEN * BATCH, :-1] = 0  # short sequences first
    recurrent = layers.SimpleRNN(
        16,
        activation=ops.sin,
        recurrent_initializer=keras.initializers.Orthogonal(4.0),
        use_bias=False,
        name="recurrent",
    )
    model = keras.Sequential([keras.Input((30, 2)), recurrent, layers.Dense(1, name="head")])
    return Training(compiled(model, optimizers.SGD(0.01)), x, targets(x[:, -1]))


@fault("weight not finite", "update", layer="head")
def dead_optimizer_state() -> Training:
    """Has a NaN in the optimizer's momentum."""

    def kill(model: Any) -> None:
        model.optimizer.variables[-1].assign(np.full((1,), np.nan))

    training = _regression(optimizer=optimizers.SGD(0.01, momentum=0.9))
    return Training(training.model, training.x, training.y, callbacks=(_AtBatch(kill),))


@fault("weight not finite", "update", layer="encoder", steps=range(1))
def optimizer_without_epsilon() -> Training:
    """Divides 0 by 0 in the update of weights without a gradient."""
    training = _regression(optimizer=optimizers.Adam(0.01, epsilon=0.0))
    training.x[:, 2] = 0
    return training


@fault("weight exploded", "update", layer=None, steps=range(30))
def momentum_above_one() -> Training:
    """Has a momentum that grows by itself."""

    class Growing(keras.optimizers.SGD):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(0.01, momentum=0.9)
            self.momentum = 1.8

    return _regression(optimizer=Growing())


@fault("weight exploded", "update", layer=None, steps=range(30))
def weight_decay_of_the_wrong_sign() -> Training:
    """Doubles the weights at each update."""
    return _regression(optimizer=optimizers.AdamW(0.01, weight_decay=-100.0))


@fault("gradient exploded", "loss", steps=range(STEPS))
def loss_of_the_wrong_sign() -> Training:
    """Maximizes the error."""

    def loss(y_true: Any, y_pred: Any) -> Any:
        return -ops.mean((y_true - y_pred) ** 2)

    model = dense()
    model.layers[0].activation = keras.activations.linear
    return _regression(model, optimizer=optimizers.SGD(0.02), loss=loss)


@fault("weight not finite", "update", layer="encoder", steps=range(1))
def constraint_that_divides_by_zero() -> Training:
    """Has a constraint that divides a kernel by 0."""
    model = dense()
    model.layers[0].kernel.constraint = _DividingByZero()
    return _regression(model)


@fault("weight not finite", "initial weights", layer="head", steps=range(1))
def weights_that_were_bad_before() -> Training:
    """Begins with a NaN in a kernel."""
    training = _regression()
    training.model.layers[-1].kernel.assign(np.full((8, 1), np.nan))
    return training
