"""A training that was killed or preempted goes on in a new process as if nothing had happened."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import wandb

from wandb_loopback import WandbServer
from wandb_loopback.half_sent import send_summary
from wandb_loopback.reading import aliases, column, read, read_path, versions, wait_until
from wk_checkpoint import WandbModelCheckpoint, restore
from wk_core.compat.keras.flavour import keras
from wk_metrics import WandbMetricsLogger
from wk_testing.resuming import BATCHES, Shuffled, random_model, same, values
from wk_testing.scripts import run_script

pytestmark = pytest.mark.slow

# Where a script finds this module.
TESTS = str(Path(__file__).parents[2])

EPOCHS = 4
EPOCH, BATCH = 2, 3
"""When the first process ends."""


class Signal(keras.callbacks.Callback):
    """Sends this process a signal in the middle of an epoch.

    Args:
        number: The signal.
        condition: What is awaited before.
    """

    def __init__(self, number: int, condition: Callable[[], bool]) -> None:
        super().__init__()
        self._number = number
        self._condition = condition
        self._epoch = 0

    def on_epoch_begin(self, epoch, logs=None):  # noqa: ARG002
        self._epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):  # noqa: ARG002
        if (self._epoch, batch) == (EPOCH, BATCH):
            wait_until(self._condition)
            os.kill(os.getpid(), self._number)


def has_arrived(run: wandb.Run) -> bool:
    """Tells whether the server has everything of the epochs before the one at work."""
    numbers = set().union(*aliases(run).values())
    return f"epoch_{EPOCH - 1}" in numbers and EPOCH - 1 in column(read(run), "epoch/epoch")


def fresh_model(seed: int = 7) -> Any:
    """Returns a model whose layers have the names that they have in a new process."""
    keras.utils.clear_session()
    return random_model(seed)


def callbacks_for(directory: str | Path, **arguments: Any) -> list[Any]:
    path = Path(directory, "model.keras")
    checkpoint = WandbModelCheckpoint(path, monitor="loss", **arguments)
    return [WandbMetricsLogger("batch"), checkpoint]


def fit(model: Any, callbacks: list[Any]) -> None:
    model.fit(Shuffled(), epochs=EPOCHS, shuffle=False, verbose=0, callbacks=callbacks)


def train_without_interruption(directory: Path) -> tuple[Any, Any]:
    """Returns the model, and the run as the server has it."""
    model = fresh_model()
    with wandb.init(project="p", id="whole") as run:
        fit(model, callbacks_for(directory))
    return model, read(run)


def resume(directory: Path, alias: str, **arguments: Any) -> tuple[Any, Any, Any]:
    """Trains to the end; returns the model, where it stood, and the run as the server has it."""
    model = fresh_model(seed=8)
    with wandb.init(project="p", id="interrupted", resume="must") as run:
        callbacks = callbacks_for(directory, **arguments)
        state = restore(model, alias, callbacks=callbacks)
        data = Shuffled(state.initial_epoch)
        state.fit(model, data, epochs=EPOCHS, shuffle=False, verbose=0, callbacks=callbacks)
    return model, state, read(run)


def assert_same_history(resumed: Any, whole: Any) -> None:
    """Holds every row of a resumed run against those of one that was never interrupted."""
    for key in ("batch/batch_step", "batch/loss", "batch/mae", "epoch/epoch", "epoch/loss"):
        assert column(resumed, key) == column(whole, key), key
    assert column(resumed, "batch/batch_step") == list(range(EPOCHS * BATCHES))
    assert column(resumed, "epoch/epoch") == list(range(EPOCHS))
    assert resumed.summary["epoch/loss"] == whole.summary["epoch/loss"]
    assert resumed.state == "finished"


KILLED = """
import signal
import sys
import wandb
from online.checkpoint.test_resume import Signal, callbacks_for, fit, has_arrived
from wk_testing.resuming import random_model

with wandb.init(project="p", id="interrupted") as run:
    kill = Signal(signal.SIGKILL, lambda: has_arrived(run))
    fit(random_model(), [kill, *callbacks_for(sys.argv[1])])
"""


@pytest.mark.parametrize(
    "alias", ["latest", pytest.param("epoch_0", marks=pytest.mark.backend_free)]
)
def test_killed_training_ends_like_an_uninterrupted_one(
    wandb_server: WandbServer, tmp_path: Path, alias: str
):
    directory = str(tmp_path / "first")
    killed = run_script(KILLED, directory, WANDB_DIR=str(tmp_path), PYTHONPATH=TESTS)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert read_path("p/interrupted", wandb_server.url).state == "running"

    model, state, resumed = resume(tmp_path / "second", alias)
    assert state.initial_epoch == (EPOCH if alias == "latest" else 1)
    expected, whole = train_without_interruption(tmp_path / "whole")
    assert same(values(model), values(expected))
    assert_same_history(resumed, whole)
    assert aliases(resumed) == aliases(whole)
    assert [each.digest for each in versions(resumed).values()] == [
        each.digest for each in versions(whole).values()
    ]


@pytest.mark.usefixtures("wandb_server")
def test_row_that_never_arrived_is_logged_after_all(tmp_path: Path):
    model = fresh_model()
    with wandb.init(project="p", id="interrupted") as run:
        callbacks = callbacks_for(tmp_path / "first")
        model.fit(Shuffled(), epochs=EPOCH, shuffle=False, verbose=0, callbacks=callbacks)
    last = {"batch/batch_step": EPOCH * BATCHES, "epoch/epoch": EPOCH - 1}
    send_summary(run, **last, _step=EPOCH * BATCHES + EPOCH - 1)  # as was seen

    _, _, resumed = resume(tmp_path / "second", "latest")
    _, whole = train_without_interruption(tmp_path / "whole")
    assert_same_history(resumed, whole)


PREEMPTED = """
import signal
import sys
import wandb
from online.checkpoint.test_resume import Signal, callbacks_for, fit
from wk_testing.resuming import random_model

signal.signal(signal.SIGTERM, lambda number, frame: print("the previous handler"))
with wandb.init(project="p", id="interrupted") as run:
    terminate = Signal(signal.SIGTERM, lambda: True)
    fit(random_model(), [terminate, *callbacks_for(sys.argv[1], preemption=True)])
"""


def test_preempted_training_ends_like_an_uninterrupted_one(
    wandb_server: WandbServer, tmp_path: Path
):
    directory = str(tmp_path / "first")
    preempted = run_script(PREEMPTED, directory, WANDB_DIR=str(tmp_path), PYTHONPATH=TESTS)
    assert preempted.returncode == 75, preempted.stderr
    assert preempted.stdout.splitlines() == ["the previous handler"]
    left = read_path("p/interrupted", wandb_server.url)
    assert left.state == "preempted"
    assert column(left, "batch/batch_step") == list(range(EPOCH * BATCHES + BATCH + 1))
    called = aliases(left)
    assert [f"epoch_{EPOCH}_batch_{BATCH}" in each for each in called.values()].count(True) == 1

    model, state, resumed = resume(tmp_path / "second", "latest", preemption=True)
    assert (state.initial_epoch, state.batch) == (EPOCH, BATCH + 1)
    assert state.global_step == EPOCH * BATCHES + BATCH + 1
    expected, whole = train_without_interruption(tmp_path / "whole")
    assert same(values(model), values(expected))
    assert_same_history(resumed, whole)
