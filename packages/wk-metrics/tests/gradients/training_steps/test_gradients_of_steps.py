"""Gradients of a training's own steps: right in every setting, and without effect on it."""

import keras
import numpy as np
import pytest

from wk_metrics import WandbGradientLogger
from wk_metrics.gradients.differentiation import differentiation_of
from wk_metrics.gradients.training_data import TrainingData
from wk_metrics.weights.weight_names import weight_names
from wk_testing.histograms import logged_histograms
from wk_testing.resuming import same, values
from wk_testing.versions import needs_multi_optimizer

BACKEND = keras.backend.backend()
BATCH, BATCHES, EPOCHS = 8, 6, 2
ACCUMULATED = 3  # batches, by the settings that accumulate gradients
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(BATCH * BATCHES, 5)).astype("float32")
TOKENS = RANDOM.integers(0, 9, (BATCH * BATCHES, 3))
Y = RANDOM.normal(size=(BATCH * BATCHES, 2)).astype("float32")


def dense():
    return keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(7, activation="tanh", name="first"),
            keras.layers.BatchNormalization(name="normalized"),
            keras.layers.Dense(2, name="last"),
        ]
    )


def frozen():
    model = dense()
    model.get_layer("first").trainable = False
    return model


def embedded():  # some tokens come twice in a batch, others in none
    return keras.Sequential(
        [
            keras.Input((3,), dtype="int32"),
            keras.layers.Embedding(40, 4, name="table"),
            keras.layers.Flatten(),
            keras.layers.Dense(2, name="last"),
        ]
    )


def adapted():
    model = dense()
    model.get_layer("first").enable_lora(2)
    return model


def half():
    with_policy = keras.dtype_policies.DTypePolicy("mixed_float16")
    return keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(7, activation="tanh", name="first", dtype=with_policy),
            keras.layers.Dense(2, name="last", dtype="float32"),
        ]
    )


class OwnStep(keras.Sequential):
    """A model whose training step is written by hand, as guides show it."""

    if BACKEND == "tensorflow":

        def train_step(self, data):
            import tensorflow as tf

            x, y = data
            with tf.GradientTape() as tape:
                loss = self.compute_loss(x=x, y=y, y_pred=self(x, training=True))
            gradients = tape.gradient(loss, self.trainable_variables)
            self.optimizer.apply(gradients, self.trainable_variables)
            return {"loss": loss}

    elif BACKEND == "torch":

        def train_step(self, data):
            import torch

            x, y = data
            self.zero_grad()
            loss = self.compute_loss(x=x, y=y, y_pred=self(x, training=True))
            loss.backward()
            gradients = [weight.value.grad for weight in self.trainable_weights]
            with torch.no_grad():
                self.optimizer.apply(gradients, self.trainable_weights)
            return {"loss": loss}


def own_step():
    return OwnStep([keras.Input((5,)), keras.layers.Dense(2, name="last")])


def rate(number):
    return {"learning_rate": number}


def adam(**arguments):
    return lambda number: keras.optimizers.Adam(number, **arguments)


def sgd(**arguments):
    return lambda number: keras.optimizers.SGD(number, momentum=0.5, **arguments)


def scaled(number):
    return keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(number), initial_scale=512.0)


def accumulating(**arguments):
    return adam(gradient_accumulation_steps=ACCUMULATED, **arguments)


def accumulating_and_scaled(number):
    return keras.optimizers.LossScaleOptimizer(accumulating()(number), initial_scale=512.0)


def divided(number, **arguments):
    parts = {".*kernel": sgd(**arguments)(number)}
    return keras.optimizers.MultiOptimizer(
        keras.optimizers.OptimizerMap(adam(**arguments)(number), parts)
    )


def divided_and_accumulating(number):
    return divided(number, gradient_accumulation_steps=ACCUMULATED)


SETTINGS = {
    "default": (dense, adam(), {}),
    "without_jit": (dense, sgd(), {"jit_compile": False}),
    "with_jit": (dense, sgd(), {"jit_compile": True}),
    "eager": (dense, adam(), {"run_eagerly": True}),
    "several_steps": (dense, adam(), {"steps_per_execution": 4}),
    "clipped": (dense, sgd(clipnorm=0.01), {}),
    "averaged": (dense, sgd(use_ema=True, ema_overwrite_frequency=3), {}),
    "accumulating": (dense, accumulating(), {}),
    "static_scale": (dense, sgd(loss_scale_factor=256.0), {}),
    "dynamic_scale": (half, scaled, {}),
    "frozen": (frozen, adam(), {}),
    "embedding": (embedded, adam(), {}),
    "embedding_with_jit": (embedded, adam(), {"jit_compile": True}),
    "lora": (adapted, adam(), {}),
    "own_step": (own_step, adam(), {}),
    "divided": (dense, divided, {}),
}
# Of these, the mean gradients of updates are looked at.
MEANS = {
    "means": (dense, accumulating(), {}),
    "means_of_one": (dense, adam(), {}),
    "means_with_jit": (dense, accumulating(clipnorm=0.01), {"jit_compile": True}),
    "means_eager": (dense, accumulating(), {"run_eagerly": True}),
    "means_of_several_steps": (dense, accumulating(), {"steps_per_execution": 2}),
    "means_with_static_scale": (dense, accumulating(loss_scale_factor=256.0), {}),
    "means_with_dynamic_scale": (half, accumulating_and_scaled, {}),
    "means_of_an_embedding": (embedded, accumulating(), {}),
    "means_of_a_frozen_model": (frozen, accumulating(), {}),
    "means_of_parts": (dense, divided_and_accumulating, {}),
}
SETTINGS |= MEANS
PLACES = {
    # Keras has no executions of several steps there, and compiling takes long: once is enough.
    "torch": {"several_steps", "means_of_several_steps", "with_jit", "embedding_with_jit"},
    "jax": {"own_step"},  # is Keras' own there
}


def model_of(setting, number):
    make, optimizer, arguments = SETTINGS[setting]
    keras.utils.set_random_seed(3)
    model = make()
    model.compile(optimizer(number), "mse", **arguments)
    return model


def trained(model, callbacks=()):
    x = TOKENS if model.input_shape[-1] == 3 else X
    keras.utils.set_random_seed(4)
    arguments = {"batch_size": BATCH, "epochs": EPOCHS, "shuffle": False, "verbose": 0}
    model.fit(x, Y, callbacks=list(callbacks), **arguments)
    return model


def expected(model, first, count):
    """Differentiates the mean loss of batches once more, in another way."""
    x = TOKENS if model.input_shape[-1] == 3 else X
    rows = slice(first * BATCH, (first + count) * BATCH)
    data = TrainingData((x[rows], Y[rows])).batches(BATCH)
    totals = differentiation_of(model).begin_pass()(data, 1.0)
    names = weight_names(model)
    weights = [names[id(weight)] for weight in model.trainable_variables]
    arrays = [keras.ops.convert_to_numpy(each) / totals.samples for each in totals.gradients]
    return dict(zip(weights, map(np.asarray, arrays), strict=True))


def updates_of_executions(setting, count):
    """Yields the last batch of each execution with an update, and the batch of that update."""
    stride = SETTINGS[setting][2].get("steps_per_execution", 1)
    for first in range(0, BATCHES, stride):
        batches = range(first, min(first + stride, BATCHES))
        updates = [batch for batch in batches if (batch + 1) % count == 0]
        if updates:
            yield batches[-1], updates[-1]


def settings():
    for name in SETTINGS:
        if name not in PLACES.get(BACKEND, ()):
            is_divided = name in ("divided", "means_of_parts")
            yield pytest.param(name, marks=needs_multi_optimizer if is_divided else ())


# What `torch.compile` itself warns of.
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")
@pytest.mark.parametrize("setting", list(settings()))
def test_right_and_without_effect(setting, offline_run, read_back):
    arguments = {"norms_every": 1, "accumulated": setting in MEANS}
    run = offline_run()
    watching = WandbGradientLogger(log_freq="batch", full_every=1, run=run, **arguments)
    still = trained(model_of(setting, 0.0), [watching])
    logged = read_back(run)
    run = offline_run()
    watching = WandbGradientLogger(full_every=4, run=run, **arguments)
    watched = trained(model_of(setting, 0.05), [watching])
    unwatched = trained(model_of(setting, 0.05))

    assert same(values(watched), values(unwatched))
    assert type(watched.train_function) is type(unwatched.train_function)
    assert vars(watched).keys() == vars(unwatched).keys()
    assert vars(watched.optimizer).keys() == vars(unwatched.optimizer).keys()

    rows = logged.rows("batch/grad_norm")
    count = ACCUMULATED if setting in MEANS and setting != "means_of_one" else 1
    executions = list(updates_of_executions(setting, count))
    steps = [epoch * BATCHES + last for epoch in range(EPOCHS) for last, _ in executions]
    assert [row["batch/batch_step"] for row in rows] == steps
    tolerance = 2e-3 if setting.endswith("dynamic_scale") else 1e-5
    pairs = list(zip(rows, executions, strict=False))
    if setting == "means_of_one":  # only after the first step it is known what comes next
        pairs = pairs[1:]
    for row, (last, update) in pairs:
        gradients = expected(still, update + 1 - count, count)
        norm = np.sqrt(sum(np.square(each, dtype="float64").sum() for each in gradients.values()))
        assert row["batch/grad_norm"] == pytest.approx(norm, rel=tolerance)
        histograms = logged_histograms(row)
        if last != update:
            assert not histograms
            continue
        assert {f"batch_gradients/{name}.gradient" for name in gradients} == set(histograms)
        if tolerance > 1e-5:
            continue
        for name, gradient in gradients.items():
            counts, edges = histograms[f"batch_gradients/{name}.gradient"]
            assert sum(counts) == gradient.size
            least, largest = gradient.min(), gradient.max()
            assert edges[0] <= least * (1 + 1e-5) + 1e-12
            assert edges[-1] >= largest * (1 - 1e-5) - 1e-12
            assert counts[-1] == pytest.approx(np.sum(gradient >= edges[-2]), abs=1)
    for row in logged.rows("epoch/grad_norm"):
        assert row["epoch/grad_norm"] <= row["epoch/grad_norm_max"]
