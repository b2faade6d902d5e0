"""Which versions of a checkpoint are left on the server, and which files here."""

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import wandb

from online.checkpoint.test_versions import Scores
from wandb_loopback import WandbServer
from wandb_loopback.reading import aliases, read, staged_files, versions, wait_until
from wk_checkpoint import Retention, WandbModelCheckpoint, restore
from wk_core.compat.keras.flavour import keras
from wk_testing.resuming import Shuffled, random_model

pytestmark = [pytest.mark.backend_free, pytest.mark.usefixtures("wandb_server")]

SCORES = [3.0, 1.0, 2.0, 4.0, 5.0, 6.0]


class AtEpoch(keras.callbacks.Callback):
    """Does something when an epoch begins, and all before it are on the server."""

    def __init__(self, epoch: int, run: wandb.Run, task: Callable[[], Any]) -> None:
        super().__init__()
        self._epoch = epoch
        self._run = run
        self._task = task

    def on_epoch_begin(self, epoch, logs=None):  # noqa: ARG002
        if epoch == self._epoch:
            newest = f"epoch_{epoch - 1}"
            wait_until(lambda: newest in set().union(*aliases(self._run).values()))
            self._task()


def train(run: wandb.Run, path: Path, rule: Retention, *callbacks: Any) -> None:
    checkpoint = WandbModelCheckpoint(
        path / "{epoch}.keras", monitor="score", mode="min", retention=rule, run=run
    )
    random_model().fit(
        Shuffled(),
        epochs=len(SCORES),
        shuffle=False,
        verbose=0,
        callbacks=[Scores(SCORES), *callbacks, checkpoint],
    )


def log_by_hand(run: wandb.Run, path: Path, *names: str) -> wandb.Artifact:
    """Logs a version that wk did not save into the collection of a run's checkpoints."""
    path.write_text(f"by hand: {names}")
    artifact = wandb.Artifact(f"run_{run.id}_model", type="model")
    artifact.add_file(str(path))
    return run.log_artifact(artifact, aliases=list(names)).wait()


def test_best_and_last_are_kept(tmp_path: Path):
    with wandb.init(project="p") as run:
        train(run, tmp_path / "models", Retention(best=1, last=2))

    assert aliases(run) == {
        "v1": {"epoch_1", "best"},
        "v4": {"epoch_4"},
        "v5": {"epoch_5", "latest"},
    }
    with pytest.raises(wandb.errors.CommError):
        wandb.Api().artifact(f"p/run_{run.id}_model:v0")
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == [
        "2.keras",
        "5.keras",
        "6.keras",
    ]
    assert staged_files(run) == []
    assert read(run).state == "finished"


def test_deleted_versions_leave_no_bytes(wandb_server: WandbServer, tmp_path: Path):
    with wandb.init(project="p") as run:
        train(run, tmp_path / "models", Retention(best=0, last=1))

    (version,) = versions(run).values()
    assert set(version.aliases) == {"epoch_5", "latest"}
    # Besides it there are the run's own files, and the manifest.
    assert version.size < wandb_server.stored_bytes() < 2 * version.size


def test_versions_that_somebody_else_has_named_or_logged_stay(tmp_path: Path):
    with wandb.init(project="p") as run:

        def interfere() -> None:
            named = versions(run)["v2"]
            named.aliases.append("released")
            named.save()
            log_by_hand(run, tmp_path / "by-hand.txt")
            log_by_hand(run, tmp_path / "by-hand.txt", "mine")

        rule = Retention(best=0, last=1)
        train(run, tmp_path / "models", rule, AtEpoch(3, run, interfere))

    assert aliases(run) == {
        "v2": {"epoch_2", "released"},
        "v3": set(),
        "v4": {"mine"},
        "v7": {"epoch_5", "latest"},
    }


def test_time_to_live_instead_of_deletion(tmp_path: Path):
    week = datetime.timedelta(days=7)
    with wandb.init(project="p") as run:
        train(run, tmp_path / "models", Retention(best=1, last=2, ttl=week))

    times = {number: version.ttl for number, version in versions(run).items()}
    assert times == {"v0": week, "v1": None, "v2": week, "v3": week, "v4": None, "v5": None}
    assert len(list((tmp_path / "models").iterdir())) == 3


def test_resumed_run_goes_on_with_the_rule(tmp_path: Path):
    path = tmp_path / "models" / "{epoch}.keras"
    for epochs in (2, 4):
        with wandb.init(project="p", id="resumed", resume="allow") as run:
            rule = Retention(best=0, last=1)
            callbacks = [WandbModelCheckpoint(path, monitor="loss", retention=rule)]
            model = random_model()
            begin = restore(model, callbacks=callbacks).initial_epoch if run.resumed else 0
            data = Shuffled(begin)
            model.fit(data, epochs=epochs, initial_epoch=begin, verbose=0, callbacks=callbacks)

    assert [version.metadata["epoch"] for version in versions(run).values()] == [3]
    assert [file.name for file in path.parent.iterdir()] == ["4.keras"]
