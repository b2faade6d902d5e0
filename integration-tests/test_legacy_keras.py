"""The callbacks on Keras 2, which `TF_USE_LEGACY_KERAS=1` chooses."""

import pytest

from wk_testing.scripts import run_script
from wk_testing.wandb_file import read_run

# One process trains all of them, so they stay in one worker.
pytestmark = [pytest.mark.backend_free, pytest.mark.xdist_group("legacy_keras")]

CASES = [
    (log_freq, rate, steps_per_execution)
    for log_freq in ("epoch", "batch")
    for rate in ("schedule", "assigned")
    for steps_per_execution in (1, 4)
]

TRAINING = """
import sys
import numpy as np
import tensorflow as tf
import wandb
from wk_metrics import WandbMetricsLogger

assert issubclass(WandbMetricsLogger, tf.keras.callbacks.Callback)

def train(log_freq, rate, steps_per_execution):
    schedule = tf.keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5, staircase=True)
    model = tf.keras.Sequential([tf.keras.Input((2,)), tf.keras.layers.Dense(1)])
    model.compile(
        tf.keras.optimizers.SGD(schedule if rate == "schedule" else 0.1),
        "mse",
        metrics=["mae"],
        steps_per_execution=steps_per_execution,
    )
    halve = tf.keras.callbacks.LearningRateScheduler(lambda epoch, _: 0.1 / 2**epoch)
    logger = WandbMetricsLogger(log_freq, throughput=True, log_model_info=True)
    callbacks = [logger] if rate == "schedule" else [logger, halve]
    x, y = np.zeros((40, 2)), np.zeros((40, 1))
    model.fit(x, y, batch_size=4, epochs=2, verbose=0, callbacks=callbacks)
    model.fit(x, y, batch_size=4, initial_epoch=2, epochs=3, verbose=0, callbacks=callbacks)
    model.evaluate(x, y, verbose=0, callbacks=[logger])

for number, case in enumerate(CASES):
    with wandb.init(project="test", dir=f"{sys.argv[1]}/{number}"):
        train(*case)
"""


@pytest.fixture(scope="module")
def trainings(tmp_path_factory):
    """Trains all cases in one process of Keras 2; returns the directory of their runs."""
    directory = tmp_path_factory.mktemp("legacy")
    for number in range(len(CASES)):
        (directory / str(number)).mkdir()
    process = run_script(f"CASES = {CASES!r}\n{TRAINING}", str(directory), TF_USE_LEGACY_KERAS="1")
    assert process.returncode == 0, process.stderr
    return directory


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda number: str(CASES[number]))
def test_training(trainings, number):
    log_freq, _, steps_per_execution = CASES[number]
    written = read_run(trainings / str(number))

    assert written.column("epoch/epoch") == [0, 1, 2]
    assert written.column("epoch/learning_rate") == pytest.approx([0.1, 0.05, 0.025])
    assert written.column("epoch/samples_per_second")[0] > 0
    assert written.config["model_info"]["metrics"] == ["mae"]
    assert written.config["model_info"]["parameters"]["total"] == 3
    assert len(written.column("test/mae")) == 1
    numbers = {1: [*range(30)], 4: [3, 7, 9, 13, 17, 19, 23, 27, 29]}[steps_per_execution]
    if log_freq == "epoch":
        numbers = []
    assert written.column("batch/batch_step") == numbers
    assert written.column("batch/learning_rate") == pytest.approx(
        [0.1 / 2 ** (number // 10) for number in numbers]
    )


CHECKPOINTS = """
import sys
import numpy as np
import tensorflow as tf
import wandb
from wk_checkpoint import WandbModelCheckpoint, restore

keras = tf.keras
assert issubclass(WandbModelCheckpoint, keras.callbacks.ModelCheckpoint)
x, y = np.random.rand(40, 2), np.random.rand(40, 1)

def compiled():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    return model

def values(model):
    return [variable.numpy() for variable in [*model.weights, *model.optimizer.variables]]

kinds = {"m.keras": False, "m.h5": False, "m.weights.h5": True, "models": False, "weights": True}
with wandb.init(project="test", dir=sys.argv[1]):
    for name, weights_only in kinds.items():
        path = f"{sys.argv[1]}/{name}"
        callbacks = [
            WandbModelCheckpoint(path, "loss", save_weights_only=weights_only),
            keras.callbacks.EarlyStopping("loss", patience=9),
        ]
        model = compiled()
        model.fit(x, y, batch_size=4, epochs=2, verbose=0, callbacks=callbacks)
        again = compiled()
        state = restore(again, path, callbacks=callbacks)
        assert (state.initial_epoch, state.global_step) == (2, 20), state
        assert all(map(np.array_equal, values(again), values(model))), name
        again.fit(x, y, initial_epoch=2, epochs=3, verbose=0, callbacks=callbacks)
        print(name)
    served = tf.saved_model.load(f"{sys.argv[1]}/models")
    assert "serving_default" in served.signatures
"""


def test_checkpoints(tmp_path):
    process = run_script(CHECKPOINTS, str(tmp_path), TF_USE_LEGACY_KERAS="1")
    assert process.returncode == 0, process.stderr
    assert process.stdout.split() == ["m.keras", "m.h5", "m.weights.h5", "models", "weights"]
    (directory,) = tmp_path.glob("wandb/offline-run-*")
    aliases = [set(artifact.aliases) for artifact in read_run(directory).artifacts]
    assert len(aliases) == 15
    assert {"latest", "best", "epoch_0"} in aliases
