"""Rates that the number of the batch does not tell are read behind the update that used them."""

import time

import keras
import numpy as np
import pytest
import wandb

import wk_metrics.learning_rate.tracker
from wk_core.compat.keras.optimizers import find_optimizers
from wk_metrics import WandbMetricsLogger

BACKEND = keras.backend.backend()
STEPS, EPOCHS = 4, 3
SCHEDULES = keras.optimizers.schedules


class RateUsed(keras.optimizers.SGD):
    """SGD that keeps the rate of each of its updates, as the update itself was given it."""

    def build(self, variables):
        if not self.built:
            super().build(variables)
            self.used = self.add_variable((100,), name="used", initializer="zeros")

    def update_step(self, gradient, variable, learning_rate):
        index = keras.ops.one_hot(self._iterations, 100, dtype="float32")
        rate = keras.ops.cast(learning_rate, "float32")
        self.assign(self.used, self.used * (1 - index) + index * rate)
        super().update_step(gradient, variable, learning_rate)

    @property
    def rates(self):
        count = int(keras.ops.convert_to_numpy(self._iterations))
        return keras.ops.convert_to_numpy(self.used)[:count].tolist()


class Schedule(SCHEDULES.LearningRateSchedule):
    """A schedule of the user's own."""

    def get_config(self):
        return {}


class WithVariable(Schedule):
    def __init__(self):
        self.factor = keras.Variable(1.0, trainable=False)

    def __call__(self, step):  # noqa: ARG002
        return 0.1 * self.factor

    def lower(self):
        self.factor.assign(self.factor * 0.5)


class WithNumber(Schedule):
    def __init__(self):
        self.factor = 1.0

    def __call__(self, step):  # noqa: ARG002
        return 0.1 * self.factor

    def lower(self):
        self.factor *= 0.5


class WarmUp(Schedule):
    def __init__(self):
        self.after = SCHEDULES.CosineDecay(0.1, 20)

    def __call__(self, step):
        step = keras.ops.cast(step, "float32")
        return keras.ops.where(step < 5, 0.02 * (step + 1), self.after(step - 5))


class Call(keras.callbacks.Callback):
    """Calls a function at one kind of hook."""

    def __init__(self, hook, function):
        super().__init__()
        setattr(self, hook, lambda *_, **__: function())


def data():
    x = np.linspace(0, 1, 64, dtype="float32").reshape(16, 4)
    return x, x.sum(1, keepdims=True)


def model_of(optimizer, kind=keras.Sequential, **arguments):
    model = kind([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(optimizer, "mse", **arguments)
    return model


def fit(model, callbacks, epochs=EPOCHS):
    x, y = data()
    model.fit(x, y, batch_size=4, epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks)


def logged(written, log_freq, key="learning_rate"):
    axis = {"batch": "batch/batch_step", "epoch": "epoch/epoch"}[log_freq]
    return [row.get(f"{log_freq}/{key}") for row in written.rows(axis)]


def of(log_freq, rates):
    return pytest.approx(rates if log_freq == "batch" else rates[STEPS - 1 :: STEPS])


both = pytest.mark.parametrize("log_freq", ["batch", "epoch"])


@both
@pytest.mark.parametrize("logger_comes", ["first", "last"])
@pytest.mark.parametrize("hook", ["on_epoch_end", "on_train_batch_end"])
@pytest.mark.parametrize("kind", [WithVariable, WithNumber])
def test_schedule_that_a_callback_changes(
    offline_run, read_back, kind, hook, logger_comes, log_freq
):
    schedule, run = kind(), offline_run()
    model = model_of(RateUsed(schedule))
    callbacks = [WandbMetricsLogger(log_freq, run=run), Call(hook, schedule.lower)]
    fit(model, callbacks if logger_comes == "first" else callbacks[::-1])

    assert logged(read_back(run), log_freq) == of(log_freq, model.optimizer.rates)


@both
@pytest.mark.parametrize("compiled", [{}, {"run_eagerly": True}, {"jit_compile": False}])
def test_schedule_of_the_users_own(offline_run, read_back, log_freq, compiled):
    model, run = model_of(RateUsed(WarmUp()), **compiled), offline_run()
    fit(model, [WandbMetricsLogger(log_freq, run=run)])
    fit(model, [WandbMetricsLogger(log_freq, run=run)])

    assert logged(read_back(run), log_freq) == of(log_freq, model.optimizer.rates)


@both
def test_function_that_gives_another_rate_each_time(offline_run, read_back, log_freq):
    calls = []

    def rate():
        calls.append(0.1 + 0.01 * len(calls))
        return calls[-1]

    alone = model_of(RateUsed(rate))
    fit(alone, [])
    without, calls[:] = len(calls), []
    model, run = model_of(RateUsed(rate)), offline_run()
    fit(model, [WandbMetricsLogger(log_freq, run=run)])

    assert logged(read_back(run), log_freq) == of(log_freq, model.optimizer.rates)
    assert model.optimizer.rates == alone.optimizer.rates
    assert len(calls) == without, "the logger has called it, too"
    assert "_get_current_learning_rate" not in vars(model.optimizer)


@both
def test_rate_that_cannot_be_computed_is_left_out(offline_run, read_back, log_freq, monkeypatch):
    class NeedsVariable(Schedule):
        def __call__(self, step):
            assert step.path  # a tensor has none
            return 0.1

    class Own(RateUsed):
        def _get_current_learning_rate(self):
            return super()._get_current_learning_rate() * 0.5

    said = []
    monkeypatch.setattr(wandb, "termwarn", lambda text, **_: said.append(text))
    for optimizer in (RateUsed(NeedsVariable()), Own(0.1)):
        model, run = model_of(optimizer), offline_run()
        fit(model, [WandbMetricsLogger(log_freq, run=run)])
        rates = logged(read_back(run), log_freq)
        known = [rate for rate in rates if rate is not None]
        assert known == pytest.approx(optimizer.rates[: len(known)])
        assert len(rates) == (STEPS * EPOCHS if log_freq == "batch" else EPOCHS)
    assert len(said) <= 1


class Slow(keras.callbacks.Callback):
    """Keeps the ends of batches in Keras' pool of threads while the training goes on."""

    async_safe = True

    def on_train_batch_end(self, batch, logs=None):  # noqa: ARG002
        time.sleep(0.02)


def test_batches_that_end_while_the_optimizers_are_looked_up(offline_run, read_back, monkeypatch):
    def slowly(model):
        time.sleep(0.05)
        return find_optimizers(model)

    monkeypatch.setattr(wk_metrics.learning_rate.tracker, "find_optimizers", slowly)
    model, run = model_of(RateUsed(0.1)), offline_run()
    fit(model, [Slow(), WandbMetricsLogger("batch", run=run)])

    assert logged(read_back(run), "batch") == of("batch", model.optimizer.rates)


@both
@pytest.mark.parametrize("logger_comes", ["first", "last"])
@pytest.mark.parametrize(
    ("hook", "after"),
    [
        ("on_epoch_begin", 1),
        ("on_train_batch_begin", 6),
        ("on_train_batch_begin", 7),
        ("on_train_batch_end", 7),
    ],
)
def test_model_that_is_compiled_anew(offline_run, read_back, hook, after, logger_comes, log_freq):
    if BACKEND == "jax" and hook != "on_epoch_begin":
        pytest.skip("the step goes on with the state of the optimizer before")
    first, second, hooks = RateUsed(0.01), RateUsed(1e-4), []
    model, run = model_of(first), offline_run()
    second.build(model.trainable_variables)

    def compile_anew():
        if len(hooks) == after:
            model.compile(second, "mse")
            model.make_train_function()
        hooks.append(None)

    callbacks = [WandbMetricsLogger(log_freq, run=run), Call(hook, compile_anew)]
    fit(model, [Slow(), *(callbacks if logger_comes == "first" else callbacks[::-1])])

    found = logged(read_back(run), log_freq)
    rates = first.rates + second.rates
    assert len(rates) == STEPS * EPOCHS
    assert found == of(log_freq, rates)


@pytest.mark.skipif(BACKEND != "jax", reason="elsewhere another optimizer has another state")
@both
@pytest.mark.parametrize("logger_comes", ["first", "last"])
@pytest.mark.parametrize("hook", ["on_train_batch_begin", "on_train_batch_end"])
@pytest.mark.parametrize("batch", [STEPS + 2, 2 * STEPS - 1])
def test_model_that_is_compiled_within_an_epoch_of_jax(
    offline_run, read_back, batch, hook, logger_comes, log_freq
):
    model, run, hooks = model_of(RateUsed(0.01)), offline_run(), []

    def compile_anew():
        if len(hooks) == batch:
            model.compile(RateUsed(1e-4), "mse")
            model.optimizer.build(model.trainable_variables)
            model.make_train_function()
        hooks.append(None)

    callbacks = [WandbMetricsLogger(log_freq, run=run), Call(hook, compile_anew)]
    fit(model, callbacks if logger_comes == "first" else callbacks[::-1])

    rates = model.optimizer.rates  # it goes on with the state of the one before
    assert len(rates) == STEPS * EPOCHS
    found = logged(read_back(run), log_freq)
    if log_freq == "batch":
        left_out = [number for number, rate in enumerate(found) if rate is None]
        assert set(left_out) <= set(range(batch - 1, 2 * STEPS))
        for number in left_out:
            rates[number] = None
    assert found == of(log_freq, rates)


class Twice(RateUsed):
    """An optimizer that is applied twice where it is asked once."""

    def apply(self, grads, trainable_variables=None):
        super().apply(grads, trainable_variables)
        super().apply(grads, trainable_variables)


class ThriceTheStep(keras.Sequential):
    """A model whose step trains three times on a batch."""

    def train_step(self, *arguments):
        if BACKEND == "jax":
            state, batch = arguments
            for _ in range(3):
                logs, state = super().train_step(state, batch)
            return logs, state
        for _ in range(3):
            logs = super().train_step(*arguments)
        return logs


@both
@pytest.mark.parametrize(
    ("optimizer", "kind", "times"),
    [(Twice, keras.Sequential, 2), (RateUsed, ThriceTheStep, 3)],
    ids=["optimizer", "step"],
)
def test_optimizer_that_is_applied_several_times_a_batch(
    offline_run, read_back, optimizer, kind, times, log_freq
):
    model = model_of(optimizer(SCHEDULES.ExponentialDecay(1.0, 1, 0.9)), kind)
    run = offline_run()
    fit(model, [WandbMetricsLogger(log_freq, run=run)], epochs=2)
    fit(model, [WandbMetricsLogger(log_freq, run=run)], epochs=1)

    written = read_back(run)
    assert logged(written, log_freq) == of(log_freq, model.optimizer.rates[times - 1 :: times])
    if log_freq == "batch":
        assert written.column("batch/batch_step") == list(range(STEPS * EPOCHS))


@both
def test_loop_of_the_users_own(offline_run, read_back, log_freq):
    model = model_of(RateUsed(SCHEDULES.ExponentialDecay(1.0, 1, 0.9)))
    run, (x, y) = offline_run(), data()
    logger = WandbMetricsLogger(log_freq, run=run)
    hooks = keras.callbacks.CallbackList([logger], model=model, epochs=EPOCHS, steps=STEPS)
    hooks.on_train_begin()
    for epoch in range(EPOCHS):
        hooks.on_epoch_begin(epoch)
        for batch in range(STEPS):
            hooks.on_train_batch_begin(batch)
            for _ in range(2):
                logs = model.train_on_batch(x, y, return_dict=True)
            hooks.on_train_batch_end(batch, logs)
        hooks.on_epoch_end(epoch, logs)
    hooks.on_train_end()

    assert logged(read_back(run), log_freq) == of(log_freq, model.optimizer.rates[1::2])


@pytest.mark.skipif(BACKEND != "tensorflow", reason="the step is written for TensorFlow")
@both
def test_optimizers_of_a_gan(offline_run, read_back, log_freq):
    import tensorflow as tf

    class Gan(keras.Model):
        """Trains one part twice a batch, and the other from the sixth batch on."""

        def __init__(self):
            super().__init__()
            self.g, self.d = keras.layers.Dense(4), keras.layers.Dense(1)
            self.batches = tf.Variable(0)

        def compile(self, g_optimizer, d_optimizer):
            super().compile()
            self.optimizers = {"g": g_optimizer, "d": d_optimizer}

        def call(self, x):
            return self.d(self.g(x))

        def train_step(self, batch):
            x, _ = batch
            for _ in range(2):
                self._train(self.d, x, "d")
            self.batches.assign_add(1)
            tf.cond(self.batches > 5, lambda: self._train(self.g, x, "g"), lambda: 0.0)
            return {"batches": self.batches}

        def _train(self, part, x, name):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(part(x) ** 2)
            variables = part.trainable_variables
            self.optimizers[name].apply(tape.gradient(loss, variables), variables)
            return loss

    model, run = Gan(), offline_run()
    model(data()[0])
    g = RateUsed(SCHEDULES.ExponentialDecay(1.0, 1, 0.9))
    d = RateUsed(SCHEDULES.ExponentialDecay(0.5, 1, 0.9))
    model.compile(g, d)
    g.build(model.g.trainable_variables)
    d.build(model.d.trainable_variables)
    fit(model, [WandbMetricsLogger(log_freq, run=run)])

    written = read_back(run)
    assert logged(written, log_freq, "learning_rate/optimizers/d") == of(log_freq, d.rates[1::2])
    found = logged(written, log_freq, "learning_rate/optimizers/g")
    before = 5 if log_freq == "batch" else 1
    assert found[:before] == [None] * before
    assert found == of(log_freq, [None] * 5 + g.rates)
    # The optimizer that `compile` makes by itself trains nothing.
    assert set(logged(written, log_freq)) == {None}


@pytest.mark.skipif(BACKEND != "torch", reason="the schedule is written for PyTorch")
@both
def test_schedule_in_functions_of_pytorch(offline_run, read_back, log_freq):
    import torch

    class Cosine(Schedule):
        def __call__(self, step):
            return 0.05 * (1 + torch.cos(step * 0.4))

    model, run = model_of(RateUsed(Cosine())), offline_run()
    fit(model, [WandbMetricsLogger(log_freq, run=run)])

    assert logged(read_back(run), log_freq) == of(log_freq, model.optimizer.rates)
