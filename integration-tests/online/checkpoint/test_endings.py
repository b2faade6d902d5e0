"""However a training ends, the checkpoint on its way is saved, and reaches the server."""

import contextlib
from pathlib import Path

import pytest
import wandb

from wandb_loopback import WandbServer
from wandb_loopback.reading import aliases, download, read_path, staged_files, versions
from wk_checkpoint import WandbModelCheckpoint, restore
from wk_core.compat.keras.flavour import keras
from wk_testing.resuming import Shuffled, Witness, random_model, same, values
from wk_testing.scripts import run_script


class Raise(keras.callbacks.Callback):
    """Raises right after the second epoch, before its checkpoint can have been written."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self._error = error

    def on_epoch_begin(self, epoch, logs=None):  # noqa: ARG002
        if epoch == 2:
            raise self._error


def train(directory: str | Path, error: BaseException | None, witness: Witness) -> None:
    checkpoint = WandbModelCheckpoint(Path(directory, "model.keras"), monitor="loss")
    others = [witness] if error is None else [Raise(error), witness]
    random_model().fit(
        Shuffled(),
        epochs=4 if error else 2,
        shuffle=False,
        verbose=0,
        callbacks=[*others, checkpoint],
    )


def assert_saved(tmp_path: Path, witness: Witness) -> None:
    """Holds the last checkpoint against what was seen at the end of the second epoch."""
    run = wandb.Api().run("p/ended")
    arrived = versions(run)
    assert [version.metadata["epoch"] for version in arrived.values()] == [0, 1]
    assert {"epoch_1", "latest"} <= aliases(run)["v1"]
    for path in (tmp_path / "model.keras", download(arrived["v1"], tmp_path / "v1")):
        model = random_model(seed=8)
        assert restore(model, path).initial_epoch == 2
        assert same(values(model), witness.seen[1])


@pytest.mark.usefixtures("wandb_server")
@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("stop"),
        pytest.param(KeyboardInterrupt("stop"), marks=pytest.mark.backend_free),
        pytest.param(None, marks=pytest.mark.backend_free),
    ],
)
def test_run_that_ends_with_its_block(tmp_path: Path, error: BaseException | None):
    witness = Witness()
    ends = contextlib.nullcontext() if error is None else pytest.raises(type(error), match="stop")
    with ends, wandb.init(project="p", id="ended") as run:
        train(tmp_path, error, witness)
    assert_saved(tmp_path, witness)
    assert staged_files(run) == []
    assert read_path("p/ended", run.settings.base_url).state == ("failed" if error else "finished")


# Where a script finds this module.
TESTS = str(Path(__file__).parents[2])

INTERRUPTED = """
import sys
import wandb
from online.checkpoint.test_endings import train
from wk_testing.resuming import Witness

run = wandb.init(project="p", id="ended")
train(sys.argv[1], KeyboardInterrupt("stop"), Witness())
"""


@pytest.mark.backend_free
def test_run_that_ends_with_its_process(wandb_server: WandbServer, tmp_path: Path):
    process = run_script(INTERRUPTED, str(tmp_path), PYTHONPATH=TESTS)
    assert "KeyboardInterrupt: stop" in process.stderr
    witness = Witness()
    with wandb.init(project="p", mode="disabled"):
        train(tmp_path / "again", None, witness)
    assert_saved(tmp_path, witness)
    assert read_path("p/ended", wandb_server.url).state == "failed"
