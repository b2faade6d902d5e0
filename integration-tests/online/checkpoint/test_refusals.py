"""Uploads that the server does not take, or that never reach it."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import wandb

from wandb_loopback import WandbServer
from wandb_loopback.reading import read, staged_files, sync, versions, wait_until
from wk_checkpoint import CheckpointError, WandbModelCheckpoint, restore
from wk_checkpoint.artifacts import staging
from wk_core.compat.keras.flavour import keras
from wk_testing.resuming import Shuffled, Witness, random_model, same, values
from wk_testing.versions import needs_finish_timeout

pytestmark = pytest.mark.backend_free


class AtEpoch(keras.callbacks.Callback):
    """Does something when an epoch begins."""

    def __init__(self, epoch: int, task: Callable[[], None]) -> None:
        super().__init__()
        self._epoch = epoch
        self._task = task

    def on_epoch_begin(self, epoch, logs=None):  # noqa: ARG002
        if epoch == self._epoch:
            self._task()


def train(path: Path, *callbacks: Any, epochs: int = 2) -> None:
    checkpoint = WandbModelCheckpoint(path, monitor="loss")
    random_model().fit(
        Shuffled(), epochs=epochs, shuffle=False, verbose=0, callbacks=[*callbacks, checkpoint]
    )


def epochs_of(run: wandb.Run) -> list[int]:
    return [version.metadata["epoch"] for version in versions(run).values()]


def checkpoints_kept(run: wandb.Run) -> list[str]:
    return [Path(name).name for name in staged_files(run) if name.endswith(".keras")]


@needs_finish_timeout
@pytest.mark.slow
def test_server_that_stays_away_leaves_the_checkpoints_here(
    wandb_server: WandbServer, tmp_path: Path
):
    run = wandb.init(project="p", settings=wandb.Settings(finish_timeout=3))
    witness = Witness()
    train(tmp_path / "{epoch}.keras", witness, AtEpoch(1, wandb_server.stop), epochs=3)
    begun = time.monotonic()
    run.finish()
    # The client itself takes longer than `finish_timeout` while it tries to upload a version.
    assert time.monotonic() - begun < 100
    kept = checkpoints_kept(run)
    assert kept in (["1.keras", "2.keras", "3.keras"], ["2.keras", "3.keras"])

    wandb_server.start()
    assert len(versions(run)) == 3 - len(kept)
    sync(run, "--include-online")
    assert read(run).state == "finished"
    # An online run's file has no artifacts in it.
    assert len(versions(run)) == 3 - len(kept)
    assert checkpoints_kept(run) == kept
    with wandb.init(project="p", id=run.id, resume="must"):
        for alias, epoch in (("latest", 2), ("epoch_1", 1)):
            model = random_model(seed=8)
            assert restore(model, alias).initial_epoch == epoch + 1
            assert same(values(model), witness.seen[epoch])
        # As a process of its own would: this one logs what it kept already.
        staging._locked_files.clear()
        WandbModelCheckpoint(tmp_path / "next.keras")
    assert epochs_of(run) == [0, 1, 2]
    assert checkpoints_kept(run) == []


FAULTS: dict[str, Callable[[WandbServer], None]] = {
    "refused": lambda server: server.fail("files", 403, method="PUT"),
    "damaged": lambda server: server.corrupt("files", method="PUT"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_upload_that_is_not_taken_is_an_error_that_names_its_checkpoint(
    wandb_server: WandbServer, tmp_path: Path, fault: str
):
    def heal_when_refused() -> None:
        wait_until((tmp_path / "1.keras").exists)
        blob = f"/blobs/{hashlib.md5((tmp_path / '1.keras').read_bytes()).hexdigest()}"
        wait_until(lambda: any(each.path == blob for each in wandb_server.requests("files")))
        wandb_server.heal()

    with wandb.init(project="p") as run:
        FAULTS[fault](wandb_server)
        with pytest.raises(CheckpointError, match="epoch_0") as error:
            train(tmp_path / "{epoch}.keras", AtEpoch(1, heal_when_refused), epochs=9)
    assert "could not be logged to W&B" in str(error.value)
    # Those behind it arrive; it is kept, here and where the user wants it.
    assert epochs_of(run) in ([1], [1, 2])
    assert checkpoints_kept(run) == ["1.keras"]
    assert (tmp_path / "1.keras").exists()
    assert read(run).state == "finished"
