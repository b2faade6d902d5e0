"""A part of others that is private and gone costs a feature, never an import or a number."""

import json
import re
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from wk_core.compat.keras.flavour import LEGACY, backend
from wk_testing.private_parts import look
from wk_testing.scripts import run_script
from wk_testing.wandb_file import RunFile, read_run

pytestmark = pytest.mark.skipif(LEGACY, reason="Keras 2 changes no more")

# What is private to others, hidden from wk alone: `find` finds nothing, and what begins with an
# underscore and is named by an entry is no attribute for `hasattr` and `getattr` in these modules.
HIDDEN = """
import builtins, sys
from wk_core.compat import entries

entries.find = lambda path: None
has, get = builtins.hasattr, builtins.getattr
hidden_at = set()

def is_hidden(name):
    asking = sys._getframe(2).f_globals["__name__"]
    if not asking.startswith(("wk_core.compat.", "wk_eval.tables.wandb_internals")):
        return False
    parts = {part.rpartition(".")[2] for each in entries.ENTRIES.values() for part in each.parts}
    hidden = name.startswith("_") and name in parts
    if hidden:
        hidden_at.add(name)
    return hidden

def hasattr(owner, name):
    return not is_hidden(name) and has(owner, name)

def getattr(owner, name, *default):
    if is_hidden(name):
        if default:
            return default[0]
        raise AttributeError(name)
    return get(owner, name, *default)

builtins.hasattr, builtins.getattr = hasattr, getattr
"""

IMPORTS = """
import wk_checkpoint, wk_core, wk_eval, wk_legacy, wk_metrics

for package in (wk_checkpoint, wk_core, wk_eval, wk_legacy, wk_metrics):
    for name in package.__all__:
        assert getattr(package, name) is not None
"""

TRAINING = """
import json
import keras, numpy as np

keras.utils.set_random_seed(0)
x = np.random.default_rng(0).integers(0, 256, (24, 5, 4, 1)).astype("uint8")
y = np.arange(24) % 3
model = keras.Sequential(
    [
        keras.Input((5, 4, 1)),
        keras.layers.Rescaling(1 / 255),
        keras.layers.Flatten(),
        keras.layers.Dense(8, "relu"),
        keras.layers.Dropout(0.5),
        keras.layers.Dense(3, "softmax"),
    ]
)
rate = keras.optimizers.schedules.ExponentialDecay(0.1, 4, 0.5)
model.compile(
    keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"]
)

def train(callbacks):
    history = model.fit(
        x, y, batch_size=4, epochs=2, validation_data=(x, y), verbose=0, callbacks=callbacks
    )
    print("history:", json.dumps(history.history))
"""

WITH_WK = """
import sys
import wandb
from wk_checkpoint import WandbModelCheckpoint
from wk_eval import ClassificationEval
from wk_legacy import WandbCallback
from wk_metrics import WandbMetricsLogger

with wandb.init(project="test", mode="offline", dir=sys.argv[1]) as run:
    train(
        [
            WandbMetricsLogger("batch"),
            WandbModelCheckpoint(sys.argv[1] + "/model.keras", monitor="val_loss"),
            ClassificationEval((x, y), labels=["cat", "dog", "fox"]),
            WandbCallback(
                monitor="val_accuracy", log_weights=True, log_gradients=True, training_data=(x, y),
                validation_data=(x, y), labels=["cat", "dog", "fox"], log_evaluation=True,
            ),
        ]
    )
restored = keras.models.load_model(sys.argv[1] + "/model.keras")
saved = zip(restored.get_weights(), model.get_weights(), strict=True)
print("saved:", all((one == other).all() for one, other in saved))
"""

SAYING = {"WANDB_SILENT": "false"}

# The functions whose loss must show in such a training, of wandb's parts, of Keras' and of tables.
LOST = {
    *("after_finish", "before_finish", "has_finished", "new_artifact", "watch_rows"),
    *("all_layers", "global_seed_generator", "new_saved_objects"),
    *("ColumnTypeMap", "describe_cell", "log_used_artifact", "reference_to", "staging_directory"),
}

# They tell the time, or say where a file is.
OF_ONE_RUN = re.compile(r"_timestamp|_runtime|second|time")


def finished(process: CompletedProcess[str]) -> CompletedProcess[str]:
    assert process.returncode == 0, process.stderr
    return process


def history(process: CompletedProcess[str]) -> dict[str, list[float]]:
    """Returns Keras' own history of a training."""
    (line,) = re.findall(r"^history: (.*)$", process.stdout, re.MULTILINE)
    return json.loads(line)


def numbers(run: RunFile) -> dict[str, list[float]]:
    """Returns the numbers that a run logged, those of one key in their order."""
    keys = {key for row in run.history for key in row if not OF_ONE_RUN.search(key)}
    columns = {key: run.column(key) for key in keys - {"_step"}}
    return {
        key: column
        for key, column in columns.items()
        if all(isinstance(value, (int, float)) for value in column)
    }


def said(process: CompletedProcess[str]) -> list[str]:
    """Returns the entries whose loss a process has said, once for each time."""
    return re.findall(r"lacks what `([\w.]+)` stands on", process.stdout + process.stderr)


def test_packages_are_imported_without_any_private_part() -> None:
    source = f"{HIDDEN}{IMPORTS}"
    process = finished(run_script(source))
    assert said(process) == []


def test_training_goes_on_without_any_private_part(tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("whole", "hidden")}
    for folder in folders.values():
        folder.mkdir()
    plain = finished(run_script(f"{TRAINING}train([])"))
    whole = finished(run_script(f"{TRAINING}{WITH_WK}", str(folders["whole"]), **SAYING))
    hidden = finished(run_script(f"{HIDDEN}{TRAINING}{WITH_WK}", str(folders["hidden"]), **SAYING))

    assert history(whole) == history(plain)
    assert history(hidden) == history(plain)
    assert "saved: True" in whole.stdout
    assert "saved: True" in hidden.stdout
    # An earlier version lacks some by itself.
    known = {finding.entry.function for finding in look() if finding.is_left_out}
    assert set(said(whole)) <= known
    losses = said(hidden)
    assert len(losses) == len(set(losses))
    assert {loss.rpartition(".")[2] for loss in losses} >= LOST

    all_numbers, fewer = (numbers(read_run(folder)) for folder in folders.values())
    assert {"epoch/loss", "batch/loss", "val/accuracy"} <= fewer.keys() <= all_numbers.keys()
    assert fewer == {key: all_numbers[key] for key in fewer}
    assert all_numbers.keys() - fewer.keys() == {"batch/learning_rate", "epoch/learning_rate"}
    if backend() == "jax":  # where it is said with the reason
        assert "wk_core.compat.keras.training.state_is_in_variables" in losses
    else:
        assert hidden.stderr.count("leaves out 'learning_rate'") == 1
