"""Trainings of other kinds whose steps are looked at, and what is left of it afterwards."""

import copy
import pickle
from importlib import import_module
from itertools import pairwise

import keras
import numpy as np
import pytest
import wandb

from wk_metrics import WandbDivergenceGuard, WandbGradientLogger, WandbMetricsLogger
from wk_metrics.gradients.training_steps.pace import Pace
from wk_metrics.gradients.training_steps.train_function import WatchedTrainFunction
from wk_testing.resuming import same, values

BACKEND = keras.backend.backend()
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(48, 5)).astype("float32")
Y = RANDOM.normal(size=(48, 2)).astype("float32")


def small_model(optimizer="adam", **arguments):
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [keras.Input((5,)), keras.layers.Dense(4, name="first"), keras.layers.Dense(2, name="last")]
    )
    model.compile(optimizer, "mse", **arguments)
    return model


def fit(model, *callbacks, **arguments):
    keras.utils.set_random_seed(4)
    settings = {"batch_size": 8, "epochs": 2, "shuffle": False, "verbose": 0, **arguments}
    return model.fit(X, Y, callbacks=list(callbacks), **settings)


def test_rows_are_those_of_the_metrics_logger(offline_run, read_back):
    run = offline_run()
    model = small_model()
    callbacks = [WandbGradientLogger(log_freq=4), WandbMetricsLogger(4, initial_global_step=100)]
    fit(model, *callbacks)
    fit(model, *callbacks)
    logged = read_back(run)

    steps = [100, 104, 108, 112, 116, 120]
    assert [row["batch/batch_step"] for row in logged.rows("batch/loss")] == steps
    assert [row["batch/batch_step"] for row in logged.rows("batch/grad_norm")] == steps
    assert [row["epoch/epoch"] for row in logged.rows("epoch/grad_norm")] == [0, 1, 2, 3]
    assert logged.step_metrics["batch_gradients/*"] == "batch/batch_step"
    assert logged.step_metrics["epoch_gradients/*"] == "epoch/epoch"


def test_full_looks_are_where_they_are_asked_for(offline_run, read_back):
    run = offline_run()
    logger = WandbGradientLogger(log_freq="batch", full_every=5, norms_every=2)
    fit(small_model(), logger)
    rows = read_back(run).rows("batch/grad_norm")

    def steps(key):
        return [row["batch/batch_step"] for row in rows if key in row]

    assert steps("batch_gradients/last/kernel.update_ratio") == [0, 5, 10, 11]
    assert steps("batch/grad_norm") == [0, 2, 4, 5, 6, 8, 10, 11]


def test_what_is_due_between_updates_comes_with_the_next_one(offline_run, read_back):
    run = offline_run()
    optimizer = keras.optimizers.Adam(gradient_accumulation_steps=3)
    logger = WandbGradientLogger(log_freq=4, full_every=4, accumulated=True)
    fit(small_model(optimizer), logger, WandbDivergenceGuard())
    logged = read_back(run)
    rows = logged.rows("batch/grad_norm")
    # Batches 0, 4, 8 are due, and weights are updated at 2, 5, 8, 11.
    assert [row["batch/batch_step"] for row in rows] == [2, 5, 8]
    assert all("batch_gradients/last/kernel.update_ratio" in row for row in rows)
    assert all(row["batch_gradients/last/kernel.update_ratio"] > 0 for row in rows)
    assert [row["epoch/epoch"] for row in logged.rows("epoch/grad_norm")] == [0, 1]


def test_an_epoch_without_an_update_has_no_row(offline_run, read_back, monkeypatch):
    said = []
    monkeypatch.setattr(wandb, "termwarn", said.append)
    run = offline_run()
    optimizer = keras.optimizers.Adam(gradient_accumulation_steps=8)  # an epoch has 6 steps
    fit(small_model(optimizer), WandbGradientLogger(accumulated=True))
    assert [row["epoch/epoch"] for row in read_back(run).rows("epoch/grad_norm")] == [1]
    assert said == []


def test_steps_that_overflow_are_counted_between_updates_too(offline_run, read_back):
    run = offline_run()
    inner = keras.optimizers.SGD(0.01, gradient_accumulation_steps=2)
    optimizer = keras.optimizers.LossScaleOptimizer(inner, initial_scale=2.0**127)
    logger = WandbGradientLogger(log_freq="batch", full_every=1, accumulated=True)
    fit(small_model(optimizer), logger)
    logged = read_back(run)
    skipped = int(sum(logged.column("epoch/grad_skipped_steps")))
    rows = logged.rows("batch/grad_norm")
    assert skipped > 0
    assert len(rows) == (12 - skipped) // 2
    assert all("batch_gradients/last/kernel.update_ratio" in row for row in rows)
    assert all(np.isfinite(row["batch/grad_norm"]) for row in rows)


def test_loggers_of_a_fit_look_at_the_same_gradients(offline_run):
    offline_run()
    loggers = [WandbGradientLogger(), WandbGradientLogger(accumulated=True)]
    with pytest.raises(ValueError, match="must have the same `accumulated`"):
        fit(small_model(), *loggers)


def test_norms_that_cost_too_much_are_thinned_out(offline_run, read_back, monkeypatch):
    said, add = [], Pace.add
    monkeypatch.setattr(wandb, "termlog", said.append)
    times = {True: 1.11, False: 1.0}  # looking costs 11 %

    def add_known(pace, _, watched):
        add(pace, times[watched], watched=watched)

    monkeypatch.setattr(Pace, "add", add_known)
    run = offline_run()
    fit(small_model(), WandbGradientLogger(log_freq="batch"), batch_size=2, epochs=4)
    rows = read_back(run).rows("batch/grad_norm")
    steps = [row["batch/batch_step"] for row in rows]
    assert [step for step in steps if 24 < step < 40] == [30, 36]
    assert said == [
        "WandbGradientLogger takes norms in one of 6 steps: they cost 11% of a step. "
        "Pass `norms_every=1` for the norms of each step."
    ]


def test_steps_that_overflow_half_precision_are_counted(offline_run, read_back):
    run = offline_run()
    inner = keras.optimizers.SGD(0.01)
    optimizer = keras.optimizers.LossScaleOptimizer(inner, initial_scale=2.0**127)
    model = small_model(optimizer)
    fit(model, WandbGradientLogger(log_freq="batch", norms_every=1))
    logged = read_back(run)
    skipped = logged.column("epoch/grad_skipped_steps")
    assert sum(skipped) + len(logged.rows("batch/grad_norm")) == 12
    assert skipped[0] > 0
    assert all(np.isfinite(norm) for norm in logged.column("batch/grad_norm"))


def test_a_gradient_that_is_not_finite_is_said(offline_run, read_back):
    run = offline_run()
    broken = X.copy()
    broken[13, 2] = np.inf
    model = small_model("sgd")
    logger = WandbGradientLogger(log_freq="batch", full_every=1)
    settings = {"batch_size": 8, "shuffle": False, "verbose": 0}
    model.fit(broken, Y, callbacks=[logger], **settings)
    logged = read_back(run)
    assert [bool(np.isfinite(norm)) for norm in logged.column("batch/grad_norm")][:2] == [
        True,
        False,
    ]
    assert logged.column("epoch/grad_non_finite_steps") == [5]
    row = logged.rows("batch/grad_norm")[1]
    assert row["batch_gradients/first/kernel.gradient.non_finite"] == 20
    assert row["batch_gradients/first/bias.gradient.non_finite"] == 4


class Adversarial(keras.Model):
    """Two models with an optimizer each, which Keras' guides train so."""

    def __init__(self):
        super().__init__()
        keras.utils.set_random_seed(5)
        self.critic = keras.Sequential([keras.Input((5,)), keras.layers.Dense(1)], name="judge")
        self.maker = keras.Sequential([keras.Input((5,)), keras.layers.Dense(5)], name="make")
        self.built = True

    def call(self, x):
        return self.critic(self.maker(x))

    def compile(self, critic_optimizer, maker_optimizer):
        super().compile()
        self.critic_optimizer, self.maker_optimizer = critic_optimizer, maker_optimizer

    def losses_of(self, x):
        real, made = self.critic(x), self.critic(self.maker(x))
        return keras.ops.mean(made) - keras.ops.mean(real), -keras.ops.mean(made)

    def train_step(self, data):
        x = data[0] if isinstance(data, tuple) else data
        parts = [(self.critic, self.critic_optimizer), (self.maker, self.maker_optimizer)]
        for number, (part, optimizer) in enumerate(parts):
            weights = part.trainable_variables
            if BACKEND == "tensorflow":
                import tensorflow as tf

                with tf.GradientTape() as tape:
                    loss = self.losses_of(x)[number]
                gradients = tape.gradient(loss, weights)
                optimizer.apply_gradients(zip(gradients, weights, strict=True))
            else:
                import torch

                self.zero_grad()
                loss = self.losses_of(x)[number]
                loss.backward()
                with torch.no_grad():
                    optimizer.apply([weight.value.grad for weight in weights], weights)
        return {"loss": loss}


@pytest.mark.skipif(BACKEND == "jax", reason="a step on JAX has the state of one optimizer")
def test_optimizers_of_a_step_by_hand_are_told_apart(offline_run, read_back):
    def train(*callbacks):
        model = Adversarial()
        model.compile(keras.optimizers.SGD(0.1), keras.optimizers.Adam(0.1))
        keras.utils.set_random_seed(4)
        model.fit(X, batch_size=8, epochs=2, shuffle=False, verbose=0, callbacks=list(callbacks))
        return [np.asarray(keras.ops.convert_to_numpy(weight)) for weight in model.weights]

    run = offline_run()
    assert same(train(WandbGradientLogger(full_every=3)), train())
    row = read_back(run).rows("epoch/grad_norm/critic_optimizer")[-1]
    assert row["epoch_gradients/critic_optimizer/judge.norm"] > 0
    assert row["epoch_gradients/maker_optimizer/make.norm"] > 0
    assert "epoch/grad_norm" not in row


class WithinACondition(keras.Sequential):
    if BACKEND == "jax":

        def train_step(self, state, data):
            import jax

            step = super().train_step
            _, spec = jax.eval_shape(lambda: step(state, data))
            del spec
            return jax.lax.cond(True, lambda: step(state, data), lambda: step(state, data))


@pytest.mark.skipif(BACKEND != "jax", reason="elsewhere an update may be within a condition")
def test_what_cannot_be_looked_at_trains_on(offline_run, read_back, monkeypatch):
    said = []
    monkeypatch.setattr(wandb, "termwarn", said.append)

    def train(*callbacks):
        keras.utils.set_random_seed(3)
        model = WithinACondition([keras.Input((5,)), keras.layers.Dense(2)])
        model.compile("adam", "mse")
        history = fit(model, *callbacks)
        return values(model), history.history["loss"]

    run = offline_run()
    (watched, losses), (plain, others) = train(WandbGradientLogger()), train()
    assert same(watched, plain)
    assert losses == others
    assert not read_back(run).rows("epoch/grad_norm")
    assert ["cannot look at the gradients" in text for text in said] == [True]


class WithoutOptimizer(keras.Sequential):
    """Moves its weights itself."""

    def train_step(self, *arguments):
        if BACKEND == "jax":
            (trainable, *others), _ = arguments
            return {"loss": 0.0}, ([each * 0.5 for each in trainable], *others)
        for weight in self.trainable_variables:
            weight.assign(weight * 0.5)
        return {"loss": 0.0}


def test_steps_without_an_optimizer_are_said(offline_run, read_back, monkeypatch):
    said = []
    monkeypatch.setattr(wandb, "termwarn", said.append)
    run = offline_run()
    model = WithoutOptimizer([keras.Input((5,)), keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    fit(model, WandbGradientLogger(log_freq="batch"))
    assert not read_back(run).history
    assert ["no gradients reach a Keras optimizer" in text for text in said] == [True]


class Draws(keras.layers.Layer):
    """Adds random numbers that belong to the graph of TensorFlow, in a function of its own."""

    def call(self, x):
        import tensorflow as tf

        drawn = tf.function(lambda shape: tf.random.normal(shape))
        return x + drawn(tf.shape(x)) if self.nested else x + tf.random.normal(tf.shape(x))

    nested = False


@pytest.mark.skipif(BACKEND != "tensorflow", reason="no other backend keeps numbers in a graph")
@pytest.mark.parametrize("nested", [False, True])
def test_random_numbers_of_a_graph_go_on_as_without(nested, offline_run):
    def train(*callbacks):
        keras.utils.set_random_seed(3)
        layer = Draws()
        layer.nested = nested
        model = keras.Sequential([keras.Input((5,)), layer, keras.layers.Dense(2)])
        model.compile("sgd", "mse", jit_compile=False)
        fit(model, *callbacks, epochs=3)
        return values(model)

    offline_run()
    assert same(train(WandbGradientLogger(full_every=5)), train())


class Raises(keras.callbacks.Callback):
    def on_train_batch_begin(self, batch, logs=None):  # noqa: ARG002
        if batch == 3:
            raise KeyboardInterrupt


@pytest.mark.parametrize("where", ["norms", "values_of"])
def test_a_look_that_fails_costs_no_step(where, offline_run, read_back, monkeypatch):
    numerics = import_module(f"wk_metrics.gradients.training_steps.numerics.{BACKEND}")
    said = []
    monkeypatch.setattr(wandb, "termwarn", said.append)
    monkeypatch.setattr(numerics, where, None)  # not callable
    watched, plain = small_model(), small_model()
    run = offline_run()
    histories = [fit(watched, WandbGradientLogger()).history, fit(plain).history]
    assert histories[0] == histories[1]
    assert same(values(watched), values(plain))
    assert not read_back(run).rows("epoch/grad_norm")
    assert ["cannot look at the gradients" in text for text in said] == [True]


def test_a_function_that_cannot_be_traced_costs_no_step(offline_run, monkeypatch):
    class Untraceable(type(small_model())):
        looks = False

        def train_step(self, *arguments):
            if self.looks:
                raise TypeError("not with more in the state")
            return super().train_step(*arguments)

    def train(*callbacks):
        keras.utils.set_random_seed(3)
        model = Untraceable([keras.Input((5,)), keras.layers.Dense(2)])
        model.compile("adam", "mse")
        return values(model) if fit(model, *callbacks) else None

    call = WatchedTrainFunction._first_call

    def first_call(self, step, arguments):
        Untraceable.looks = True
        plain = self._plain

        def plain_without_looking(*given):
            Untraceable.looks = False
            return plain(*given)

        self._plain = plain_without_looking
        return call(self, step, arguments)

    said = []
    monkeypatch.setattr(wandb, "termwarn", said.append)
    monkeypatch.setattr(WatchedTrainFunction, "_first_call", first_call)
    offline_run()
    assert same(train(WandbGradientLogger()), train())
    assert ["not with more in the state" in text for text in said] == [True]


@pytest.mark.skipif(BACKEND != "jax", reason="only JAX has a state besides the variables")
def test_the_state_is_synced_as_often_as_without(offline_run, monkeypatch):
    synced, sync = [], keras.Model.jax_state_sync

    def counting_sync(model):
        synced.append(model._jax_state_synced)
        sync(model)

    monkeypatch.setattr(keras.Model, "jax_state_sync", counting_sync)
    offline_run()
    counts = []
    for callbacks in ([], [WandbGradientLogger(log_freq="batch", full_every=2)]):
        synced.clear()
        fit(small_model(), *callbacks, epochs=3)
        counts.append(synced.count(False))
    assert counts[0] == counts[1]


class Traced(keras.layers.Layer):
    """Counts how often it is traced."""

    count = 0

    def call(self, x):
        Traced.count += 1
        return x


def test_nothing_is_traced_after_the_first_epoch(offline_run):
    class Counts(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):  # noqa: ARG002
            counts.append(Traced.count)

    offline_run()
    counts = []
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((5,)), Traced(), keras.layers.Dense(2)])
    model.compile("adam", "mse")
    fit(model, WandbGradientLogger(full_every=4), Counts(), epochs=3)
    calls = 0 if BACKEND != "torch" else 6
    assert [later - earlier for earlier, later in pairwise(counts)] == [calls, calls]


def test_nothing_is_left_of_a_training_that_was_interrupted(offline_run):
    offline_run()
    watched, plain = small_model(), small_model()
    for model, callbacks in ((watched, [WandbGradientLogger()]), (plain, [])):
        with pytest.raises(KeyboardInterrupt):
            fit(model, *callbacks, Raises())
    copied, pickled = copy.deepcopy(watched), pickle.loads(pickle.dumps(watched))
    for model in (copied, pickled, watched, plain):
        model.evaluate(X, Y, verbose=0)
        fit(model)
    assert same(values(watched), values(plain))
    assert same(values(watched), values(copied))
    assert same(values(watched), values(pickled))
    assert type(watched.train_function) is type(plain.train_function)


class CompilesAnew(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):  # noqa: ARG002
        if epoch == 1:
            self.model.compile(keras.optimizers.SGD(0.05), "mse")
            self.model.optimizer.build(self.model.trainable_variables)
            self.model.make_train_function(force=True)

    def on_train_batch_end(self, batch, logs=None):  # noqa: ARG002
        """Has a batch of its own trained."""
        if batch == 2:
            self.model.train_on_batch(X[:4], Y[:4])


def test_a_model_that_is_compiled_and_trained_meanwhile(offline_run, read_back):
    def train(*callbacks):
        model = small_model()
        fit(model, *callbacks, CompilesAnew())
        model.compile("adam", "mae")
        fit(model, *callbacks)
        return values(model)

    run = offline_run()
    assert same(train(WandbGradientLogger(log_freq="batch", norms_every=1)), train())
    rows = read_back(run).rows("epoch/grad_norm")
    assert [row["epoch/epoch"] for row in rows] == [0, 1, 2, 3]


def test_a_checkpoint_on_the_way_is_the_same(offline_run, tmp_path):
    offline_run()
    for name, callbacks in (("watched", [WandbGradientLogger(full_every=1)]), ("plain", [])):
        path = str(tmp_path / f"{name}.weights.h5")
        saver = keras.callbacks.ModelCheckpoint(path, save_weights_only=True, save_freq=5)
        fit(small_model(), *callbacks, saver)
    first, second = (small_model() for _ in range(2))
    for model in (first, second):
        model.optimizer.build(model.trainable_variables)
    first.load_weights(tmp_path / "watched.weights.h5")
    second.load_weights(tmp_path / "plain.weights.h5")
    assert same(values(first), values(second))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"training_data": (X, Y), "log_freq": "batch"}, "`log_freq` belongs to"),
        ({"every": 2}, "`every` belongs to"),
        ({"full_every": 0}, "`full_every` must be a whole number of batches, 1 or more"),
        ({"norms_every": 1.5}, "`norms_every` must be a whole number of steps"),
        ({"norms_every": 2, "accumulated": True}, "each step is looked at"),
        ({"training_data": (X, Y), "accumulated": True}, "`accumulated` belongs to"),
        ({"log_freq": "step"}, "`log_freq` must be"),
    ],
)
def test_bad_arguments(arguments, message, offline_run):
    offline_run()
    with pytest.raises(ValueError, match=message):
        WandbGradientLogger(**arguments)
