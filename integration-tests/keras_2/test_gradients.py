"""Gradients and weights on Keras 2, which `TF_USE_LEGACY_KERAS=1` chooses."""

import json

import numpy as np
import pytest

from wk_testing.histograms import logged_histograms
from wk_testing.scripts import run_script
from wk_testing.wandb_file import read_run

pytestmark = pytest.mark.backend_free

TRAINING = """
import json
import sys
import numpy as np
import tensorflow as tf
import wandb
from wk_metrics import WandbGradientLogger, WandbWeightLogger
from wk_testing.resuming import X, Y, Witness, random_model, same

assert issubclass(WandbGradientLogger, tf.keras.callbacks.Callback)

def slopes(model, step=1e-2):
    norms = []
    for weight in model.trainable_weights:
        value, slopes = weight.numpy(), []
        for at in np.ndindex(*value.shape):
            losses = []
            for sign in (1, -1):
                moved = value.copy()
                moved[at] += sign * step
                weight.assign(moved)
                loss = model.compiled_loss(TARGET, model(X, training=True), tf.constant(WEIGHT))
                losses.append(float(loss + sum(model.losses)))
            slopes.append((losses[0] - losses[1]) / (2 * step))
        weight.assign(value)
        norms.append(np.linalg.norm(slopes))
    return norms

trained = []
TARGET = tf.constant(Y)
WEIGHT = np.linspace(0.5, 2, len(X), dtype="float32")
with wandb.init(project="test", dir=sys.argv[1]):
    for loggers in ([], [WandbGradientLogger((X, Y), batch_size=20), WandbWeightLogger()]):
        model, witness = random_model(), Witness()
        # Keras 2 draws the masks of dropout from seeds of its functions' own.
        model.fit(X, Y, epochs=2, shuffle=False, verbose=0, callbacks=[*loggers, witness])
        trained.append(witness.seen)
assert all(same(trained[0][epoch], trained[1][epoch]) for epoch in range(2))

tf.keras.utils.set_random_seed(1)
inputs = tf.keras.Input((4,))
hidden = tf.keras.layers.Dense(3, activation="tanh", kernel_regularizer="l2", name="hidden")
model = tf.keras.Model(inputs, tf.keras.layers.Dense(1, name="head")(hidden(inputs)))
model.compile("sgd", "mse", weighted_metrics=[])
with wandb.init(project="test", dir=sys.argv[2]):
    logger = WandbGradientLogger((X, Y, WEIGHT), batch_size=20)
    model.fit(X, Y, sample_weight=WEIGHT, verbose=0, callbacks=[logger])
print(json.dumps([float(norm) for norm in slopes(model)]))
"""


def test_gradients_and_weights(tmp_path):
    directories = [tmp_path / "random", tmp_path / "smooth"]
    for directory in directories:
        directory.mkdir()
    process = run_script(TRAINING, *map(str, directories), TF_USE_LEGACY_KERAS="1")
    assert process.returncode == 0, process.stderr

    random, smooth = map(read_run, directories)
    assert sorted(random.column("epoch")) == [0, 0, 1, 1]  # each logger has a thread of its own
    keys = set().union(*map(logged_histograms, random.history))
    layers = {key.split("/")[1].split(".")[0] for key in keys}
    assert len(layers) == 3
    assert len(keys) == 6 + 8
    assert {key for key in keys if key.endswith((".weights", "/moving_mean", "/gamma"))}

    hidden_kernel, hidden_bias, head_kernel, head_bias = json.loads(process.stdout.splitlines()[-1])
    (row,) = smooth.history
    assert row["gradients/hidden.norm"] == pytest.approx(np.hypot(hidden_kernel, hidden_bias), 1e-2)
    assert row["gradients/head.norm"] == pytest.approx(np.hypot(head_kernel, head_bias), 1e-2)


OF_STEPS = """
import sys
import numpy as np
import tensorflow as tf
import wandb
from wk_metrics import WandbGradientLogger, WandbMetricsLogger
from wk_testing.resuming import X, Y, random_model, same

keras = tf.keras

def optimizers():
    yield keras.optimizers.SGD(0.05, momentum=0.5), {}
    yield keras.optimizers.Adam(0.05, clipnorm=0.1), {"steps_per_execution": 3}
    yield keras.optimizers.legacy.Adam(0.05), {"jit_compile": False}
    yield keras.mixed_precision.LossScaleOptimizer(keras.optimizers.SGD(0.05)), {}

with wandb.init(project="test", dir=sys.argv[1]):
    for number in range(4):
        trained = []
        for loggers in ([], [WandbGradientLogger(full_every=3)]):
            optimizer, arguments = list(optimizers())[number]
            model = random_model()
            model.compile(optimizer, "mse", **arguments)
            model.fit(X, Y, shuffle=False, verbose=0, batch_size=8, callbacks=loggers)
            trained.append([weight.numpy() for weight in model.weights])
        assert same(*trained), number

keras.utils.set_random_seed(1)
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, name="head")])
model.compile(keras.optimizers.SGD(0.0), "mse")
kernel, bias = (weight.numpy() for weight in model.weights)
with wandb.init(project="test", dir=sys.argv[2]):
    logger = WandbGradientLogger(log_freq=1, norms_every=1)
    model.fit(X, Y, batch_size=16, shuffle=False, verbose=0, callbacks=[logger])
for start in range(0, len(X), 16):
    x, y = X[start:start + 16], Y[start:start + 16]
    slope = 2 * (x @ kernel + bias - y) / len(x)
    print(np.sqrt(np.sum((x.T @ slope) ** 2) + np.sum(slope) ** 2))
"""


def test_gradients_of_the_steps(tmp_path):
    directories = [tmp_path / "kinds", tmp_path / "known"]
    for directory in directories:
        directory.mkdir()
    process = run_script(OF_STEPS, *map(str, directories), TF_USE_LEGACY_KERAS="1")
    assert process.returncode == 0, process.stderr

    kinds, known = map(read_run, directories)
    assert kinds.column("epoch/epoch") == [0, 1, 2, 3]
    assert kinds.rows("epoch/grad_skipped_steps")[0]["epoch/epoch"] == 3
    assert len(logged_histograms(kinds.history[0])) == 6
    norms = [float(line) for line in process.stdout.splitlines()[-4:]]
    assert known.column("batch/grad_norm") == pytest.approx(norms, rel=1e-5)
