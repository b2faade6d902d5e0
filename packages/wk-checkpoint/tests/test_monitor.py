"""What the monitored metric decides: where it comes and goes, and which way it is better."""

import json
import math
import warnings

import pytest

from wk_checkpoint import WandbModelCheckpoint, restore
from wk_core.compat.keras.flavour import keras
from wk_testing.resuming import Shuffled, X, Y, random_model

pytestmark = pytest.mark.backend_free


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Say(keras.callbacks.Callback):
    """Puts values of a metric of its own into the logs, epoch by epoch; None is a missing one."""

    def __init__(self, name, numbers):
        super().__init__()
        self.name, self.numbers = name, numbers

    def on_epoch_end(self, epoch, logs=None):
        if self.numbers[epoch] is not None:
            logs[self.name] = self.numbers[epoch]


def fit(*callbacks, epochs, model=None, **arguments):
    model = model or random_model()
    model.fit(
        Shuffled(), epochs=epochs, callbacks=[*callbacks], verbose=0, shuffle=False, **arguments
    )
    return model


def epochs_of(file):
    return [json.loads(one.metadata)["epoch"] for one in file.artifacts]


NAN = math.nan


@pytest.mark.parametrize(
    ("numbers", "threshold", "saved", "warns"),
    [
        ([3.0, None, 2.0, None], None, [0, 2], False),
        ([None, 3.0, None, 4.0, 2.0], None, [0, 1, 4], True),
        ([None, None, None], None, [0, 1, 2], True),
        ([NAN, NAN], None, [0, 1], True),
        ([NAN, 3.0, NAN, None], None, [0, 1], True),
        ([3.0, NAN, 2.0], None, [0, 2], False),
        ([None, 3.0, None], 1.0, [0], True),
        ([NAN, 3.0, 0.5, NAN], 1.0, [2], False),
        ([math.inf, 3.0, None], None, [0, 1], False),
    ],
)
def test_best_only(offline_run, read_back, numbers, threshold, saved, warns):
    run = offline_run()
    checkpoint = WandbModelCheckpoint(
        "best.keras", "m", save_best_only=True, mode="min", initial_value_threshold=threshold
    )
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        fit(Say("m", numbers), checkpoint, epochs=len(numbers))
    assert epochs_of(read_back(run)) == saved
    assert sum("save_best_only=True" in str(one.message) for one in said) == warns


def test_validation_every_other_epoch(offline_run, read_back, inside):
    run = offline_run()
    checkpoint = WandbModelCheckpoint("best.keras", "val_loss", save_best_only=True, mode="max")
    with pytest.warns(UserWarning, match="until it has a value"):  # before the first validation
        fit(checkpoint, epochs=5, validation_data=(X, Y), validation_freq=2)
    saved = epochs_of(read_back(run))
    assert saved[:2] == [0, 1]
    assert {*saved} <= {0, 1, 3}
    # In a training that goes on it has been seen, too.
    offline_run()
    resumed = WandbModelCheckpoint("more.keras", "val_loss", save_best_only=True, mode="max")
    model = random_model()
    state = restore(model, inside / "best.keras", callbacks=[resumed])
    fit(resumed, model=model, epochs=state.initial_epoch + 1, initial_epoch=state.initial_epoch)
    assert not (inside / "more.keras").exists()


def two_outputs(**metrics):
    inputs = keras.Input((4,))
    outputs = {
        name: keras.layers.Dense(1, "sigmoid", name=name)(inputs) for name in ("home", "away")
    }
    model = keras.Model(inputs, outputs)
    model.compile(
        "sgd", loss=dict.fromkeys(outputs, "mse"),
        metrics={name: metrics.get(name, []) for name in outputs},
    )  # fmt: skip
    return model


def best_of(model, monitor, numbers):
    checkpoint = WandbModelCheckpoint("best.keras", monitor, save_best_only=True)
    say = Say(monitor, numbers)
    target = {"home": Y > 0.5, "away": Y} if len(model.outputs) > 1 else Y
    model.fit(
        X, target, epochs=len(numbers), validation_data=(X, target), verbose=0,
        callbacks=[say, checkpoint],
    )  # fmt: skip
    return checkpoint.best


@pytest.mark.parametrize(
    ("monitor", "best"),
    [
        ("val_home_accuracy", 3.0),
        ("away_mae", 1.0),
        ("val_away_loss", 1.0),
        ("val_home_mine", 3.0),
        ("val_loss", 1.0),
    ],
)
def test_metric_of_an_output(offline_run, monitor, best):
    offline_run()
    model = two_outputs(home=["accuracy", keras.metrics.AUC(name="mine")], away=["mae"])
    assert best_of(model, monitor, [2.0, 3.0, 1.0]) == best


def test_metric_of_two_outputs_with_two_directions(offline_run):
    offline_run()
    model = two_outputs(
        home=[keras.metrics.AUC(name="mine")], away=[keras.metrics.MeanSquaredError(name="mine")]
    )
    with pytest.raises(ValueError, match="mode='max'"):
        best_of(model, "val_some_mine", [2.0, 3.0, 1.0])
