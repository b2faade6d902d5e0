"""The learning rate of a row is the one that its batch used."""

import keras
import numpy as np
import pytest

from wk_metrics import WandbMetricsLogger
from wk_testing.training import counting_model, executions, fit
from wk_testing.versions import needs_multi_optimizer


class RateUsed(keras.optimizers.SGD):
    """SGD that keeps the rate of each of its updates, as the update itself was given it."""

    def build(self, variables):
        super().build(variables)
        self.used = self.add_variable((1000,), name="used", initializer="zeros")

    def update_step(self, gradient, variable, learning_rate):
        index = keras.ops.one_hot(keras.ops.mod(self._iterations, 1000), 1000, dtype="float32")
        rate = keras.ops.cast(learning_rate, "float32")
        self.assign(self.used, self.used * (1 - index) + index * rate)
        super().update_step(gradient, variable, learning_rate)


def used_rates(optimizer, count):
    return keras.ops.convert_to_numpy(optimizer.used)[:count].tolist()


class Assign(keras.callbacks.Callback):
    """Sets the rate at one kind of hook."""

    def __init__(self, hook):
        super().__init__()
        setattr(self, hook, self.change)

    def change(self, *_, **__):
        optimizer = self.model.optimizer
        optimizer.learning_rate = float(optimizer.learning_rate.numpy()) * 0.9


SCHEDULES = [
    keras.optimizers.schedules.CosineDecay(0.1, 40, warmup_target=0.2, warmup_steps=5),
    keras.optimizers.schedules.PiecewiseConstantDecay([3, 12], [0.1, 0.05, 0.01]),
    keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9, staircase=True),
]


@pytest.mark.parametrize(
    "log_freq", ["batch", pytest.param(3, marks=pytest.mark.backend_free), "epoch"]
)
@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: type(schedule).__name__)
def test_schedule(offline_run, read_back, schedule, log_freq):
    model = counting_model(RateUsed(schedule))
    run = offline_run()
    fit(model, callbacks=[WandbMetricsLogger(log_freq, run=run)], epochs=3)

    assert_rates_used(read_back(run), used_rates(model.optimizer, 30))


@pytest.mark.parametrize("logger_comes", ["first", "last"])
@pytest.mark.parametrize("log_freq", ["batch", "epoch"])
@pytest.mark.parametrize(
    "hook",
    [
        "on_train_begin",
        "on_epoch_begin",
        "on_epoch_end",
        "on_train_batch_begin",
        "on_train_batch_end",
    ],
)
def test_rate_set_by_a_callback(offline_run, read_back, hook, log_freq, logger_comes):
    model = counting_model(RateUsed(0.1))
    run = offline_run()
    callbacks = [WandbMetricsLogger(log_freq, run=run), Assign(hook)]
    fit(model, callbacks=callbacks if logger_comes == "first" else callbacks[::-1], epochs=3)

    used = used_rates(model.optimizer, 30)
    assert used[-1] < 0.1
    assert_rates_used(read_back(run), used)


@pytest.mark.parametrize("logger_comes", ["first", "last"])
def test_keras_own_callbacks(offline_run, read_back, logger_comes):
    model = counting_model(RateUsed(0.1))
    run = offline_run()
    callbacks = [
        WandbMetricsLogger("batch", run=run),
        keras.callbacks.LearningRateScheduler(lambda epoch, _: 0.1 / (epoch + 1)),
        keras.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=1e9, factor=0.5),
    ]
    fit(model, callbacks=callbacks if logger_comes == "first" else callbacks[::-1], epochs=3)

    assert_rates_used(read_back(run), used_rates(model.optimizer, 30))


def assert_rates_used(written, used, key="learning_rate"):
    epochs = written.rows("epoch/epoch")
    assert [row[f"epoch/{key}"] for row in epochs] == pytest.approx(
        [used[10 * int(row["epoch/epoch"]) + 9] for row in epochs], rel=1e-6
    )
    assert len(epochs) == 3
    batches = written.rows("batch/batch_step")
    assert [row[f"batch/{key}"] for row in batches] == pytest.approx(
        [used[int(row["batch/batch_step"])] for row in batches], rel=1e-6
    )


@pytest.mark.parametrize("steps_per_execution", executions(5))
def test_several_batches_at_once(offline_run, read_back, steps_per_execution):
    model = counting_model(RateUsed(SCHEDULES[0]), steps_per_execution=steps_per_execution)
    run = offline_run()
    fit(model, callbacks=[WandbMetricsLogger("batch", run=run)], epochs=3)

    assert_rates_used(read_back(run), used_rates(model.optimizer, 30))


def test_gradient_accumulation(offline_run, read_back):
    optimizer = keras.optimizers.SGD(SCHEDULES[2], gradient_accumulation_steps=2)
    model = counting_model(optimizer)
    run = offline_run()
    fit(model, callbacks=[WandbMetricsLogger("batch", run=run)], epochs=3)

    rows = read_back(run).rows("batch/batch_step")
    assert [row["batch/batch_step"] for row in rows] == list(range(30))
    assert [row["batch/learning_rate"] for row in rows] == pytest.approx(
        [float(SCHEDULES[2](step)) for step in range(30)]
    )


@pytest.mark.parametrize(
    "divides", [False, pytest.param(True, marks=needs_multi_optimizer)], ids=["one", "several"]
)
def test_mixed_precision_with_skipped_batches(offline_run, read_back, divides):
    # A scale this large overflows at first: those batches are skipped, the schedule stands still.
    used = inner = keras.optimizers.SGD(SCHEDULES[0], name="used")
    if divides:
        inner = keras.optimizers.MultiOptimizer(keras.optimizers.OptimizerMap(used))
    model = counting_model(keras.optimizers.LossScaleOptimizer(inner, initial_scale=1e38))
    counts = []

    class Counts(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):  # noqa: ARG002
            counts.append(int(used.iterations))

    run = offline_run()
    fit(model, callbacks=[Counts(), WandbMetricsLogger("batch", run=run)], epochs=3)

    rows = read_back(run).rows("batch/batch_step")
    key = "batch/learning_rate/used" if divides else "batch/learning_rate"
    assert counts[-1] < 29, "no batch was skipped: the test shows nothing"
    assert [row["batch/batch_step"] for row in rows] == list(range(30))
    assert [row[key] for row in rows] == pytest.approx(
        [float(SCHEDULES[0](count)) for count in counts]
    )


def test_rate_set_inside_the_compiled_step_is_not_made_up(offline_run, read_back):
    class OwnStep(keras.Sequential):
        def train_step(self, *arguments):
            rate = self.optimizer.learning_rate
            if keras.backend.backend() == "jax":
                (trainable, other, optimizer, metrics), data = arguments
                index = [variable is rate for variable in self.optimizer.variables].index(True)
                optimizer = [*optimizer]
                optimizer[index] = optimizer[index] * 0.9
                return super().train_step((trainable, other, optimizer, metrics), data)
            rate.assign(rate * 0.9)
            return super().train_step(*arguments)

    model = OwnStep([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(RateUsed(0.1), "mse")
    run = offline_run()
    fit(model, callbacks=[WandbMetricsLogger(run=run)], epochs=3)

    used = used_rates(model.optimizer, 30)
    assert used[-1] < 0.01
    rates = read_back(run).column("epoch/learning_rate")
    # PyTorch runs the step as it stands, so there the assignment is seen.
    seen = keras.backend.backend() == "torch"
    assert rates == pytest.approx([used[9], used[19], used[29]] if seen else [])


def test_rate_that_is_a_function(offline_run, read_back):
    model = counting_model(keras.optimizers.SGD(lambda: 0.25))
    run = offline_run()
    fit(model, callbacks=[WandbMetricsLogger("batch", run=run)], epochs=1)

    assert set(read_back(run).column("batch/learning_rate")) == {0.25}


@needs_multi_optimizer
@pytest.mark.parametrize("log_freq", ["batch", "epoch"])
def test_several_optimizers(offline_run, read_back, log_freq):
    parts = keras.optimizers.OptimizerMap(keras.optimizers.SGD(0.25, name="slow"))
    parts[".*kernel"] = keras.optimizers.Adam(SCHEDULES[2], name="fast")
    model = counting_model(keras.optimizers.MultiOptimizer(parts))
    run = offline_run()
    fit(model, callbacks=[WandbMetricsLogger(log_freq, run=run)], epochs=3)

    written = read_back(run)
    assert written.column(f"{log_freq}/learning_rate") == []
    assert set(written.column(f"{log_freq}/learning_rate/slow")) == {0.25}
    used = [float(SCHEDULES[2](step)) for step in range(30)]
    assert written.column(f"{log_freq}/learning_rate/fast") == pytest.approx(
        used if log_freq == "batch" else used[9::10]
    )


def two_by_function():
    """Returns a `MultiOptimizer` that knows its parts from its first update on, and its parts."""
    kernels = RateUsed(0.1, name="kernels")
    biases = RateUsed(0.01, name="biases")
    both = keras.optimizers.MultiOptimizer(
        lambda variable: biases if variable.path.endswith("bias") else kernels
    )
    return both, kernels, biases


class AssignToParts(keras.callbacks.Callback):
    """Sets the rate of each part after each batch."""

    def on_train_batch_end(self, batch, logs=None):  # noqa: ARG002
        optimizer = self.model.optimizer
        for part in getattr(optimizer, "inner_optimizer", optimizer).optimizers:
            part.learning_rate = float(part.learning_rate.numpy()) * 0.9


@needs_multi_optimizer
@pytest.mark.parametrize("scales", [False, True], ids=["plain", "loss scale"])
@pytest.mark.parametrize("log_freq", ["batch", 3, "epoch"])
def test_several_optimizers_by_a_function(offline_run, read_back, log_freq, scales):
    both, *parts = two_by_function()
    model = counting_model(keras.optimizers.LossScaleOptimizer(both) if scales else both)
    run = offline_run()
    logger = WandbMetricsLogger(log_freq, run=run)
    fit(model, callbacks=[AssignToParts(), logger], epochs=3)

    written = read_back(run)
    for part in parts:
        assert_rates_used(written, used_rates(part, 30), f"learning_rate/{part.name}")
    assert written.column("epoch/learning_rate") == written.column("batch/learning_rate") == []


class Wrapper(keras.optimizers.Optimizer):
    """Updates by another optimizer, and shows that one's rate: its own is never used."""

    def __init__(self, inner):
        super().__init__(learning_rate=0.0)
        self.inner = inner

    @property
    def learning_rate(self):
        return self.inner.learning_rate

    def build(self, variables):
        self.inner.build(variables)
        super().build(variables)

    def apply(self, grads, trainable_variables=None):
        self.inner.apply(grads, trainable_variables)
        self._iterations.assign_add(1)


@pytest.mark.parametrize("log_freq", ["batch", "epoch"])
def test_rate_of_an_optimizer_that_wraps_another_is_never_its_own(offline_run, read_back, log_freq):
    model = counting_model(Wrapper(keras.optimizers.SGD(0.25)))
    run = offline_run()
    fit(model, callbacks=[WandbMetricsLogger(log_freq, run=run)], epochs=2)

    assert set(read_back(run).column(f"{log_freq}/learning_rate")) <= {0.25}


def test_optimizers_in_attributes_of_the_model(offline_run, read_back):
    model = counting_model(keras.optimizers.SGD(0.25))
    model.d_optimizer = keras.optimizers.Adam(0.5)
    run = offline_run()
    fit(model, callbacks=[WandbMetricsLogger(run=run)], epochs=1)

    written = read_back(run)
    assert written.column("epoch/learning_rate") == [0.25]
    assert written.column("epoch/learning_rate/d_optimizer") == [0.5]


def test_model_without_optimizer(offline_run, read_back):
    class Counter(keras.Model):
        """Counts instead of training."""

        def __init__(self):
            super().__init__()
            self.total = self.add_weight(shape=(), initializer="zeros", trainable=False)

        def call(self, x):
            return x

    run = offline_run()
    logger = WandbMetricsLogger("batch", run=run)
    hooks = keras.callbacks.CallbackList([logger], model=Counter(), epochs=1, steps=2)
    hooks.on_train_begin()
    hooks.on_epoch_begin(0)
    for batch in range(2):
        hooks.on_train_batch_begin(batch)
        hooks.on_train_batch_end(batch, {"loss": 1.0})
    hooks.on_epoch_end(0, {"loss": 1.0})
    hooks.on_train_end()

    written = read_back(run)
    assert written.column("batch/batch_step") == [0, 1]
    assert written.column("epoch/loss") == [1.0]
    assert not any("learning_rate" in key for row in written.history for key in row)


def test_observers_are_taken_off(offline_run):
    model = counting_model(keras.optimizers.SGD(0.1))
    run = offline_run()
    fit(
        model,
        callbacks=[WandbMetricsLogger("batch", run=run), WandbMetricsLogger(run=run)],
        epochs=1,
    )

    assert "assign" not in vars(model.optimizer.learning_rate)
    np.testing.assert_allclose(model.optimizer.learning_rate.numpy(), 0.1, rtol=1e-6)
