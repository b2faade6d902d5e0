"""Each version of a checkpoint on the server holds what its aliases and its metadata say."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import wandb
from wandb.sdk.lib.hashutil import md5_file_b64

from wandb_loopback import WandbServer
from wandb_loopback.reading import aliases, download, read, read_path, staged_files, sync, versions
from wk_checkpoint import WandbModelCheckpoint
from wk_core.compat.keras.flavour import backend, keras
from wk_core.compat.keras.training import sync_state
from wk_testing.resuming import BATCHES, Shuffled, Witness, random_model, same, values

SCORES = [3.0, 1.0, 2.0, 1.5]


class Scores(keras.callbacks.Callback):
    """Gives each epoch a score, and keeps what else is known of it."""

    def __init__(self, scores: Sequence[float] = SCORES) -> None:
        super().__init__()
        self._scores = scores
        self.logs: list[dict[str, float]] = []

    def on_epoch_end(self, epoch, logs=None):
        logs["score"] = self._scores[epoch]
        self.logs.append(dict(logs))


class SyncedWitness(Witness):
    """Sees each batch, on a backend that holds its state elsewhere within an epoch, too."""

    def __init__(self) -> None:
        super().__init__(batches=True)

    def on_train_batch_end(self, batch, logs=None):
        sync_state(self.model)
        super().on_train_batch_end(batch, logs)


def train(callbacks: Sequence[Any], epochs: int) -> Any:
    model = random_model()
    model.fit(Shuffled(), epochs=epochs, shuffle=False, verbose=0, callbacks=list(callbacks))
    return model


def without_seeds(seen: Sequence[Any]) -> Sequence[Any]:
    """Leaves out the state of dropout, which is no variable of a model that Keras has loaded."""
    return seen[:-1]


def client_copies(tmp_path: Path, size: int) -> list[Path]:
    """Returns the files with at least half the size of a checkpoint that the client keeps."""
    return [
        file
        for file in (tmp_path / "wandb-client").rglob("*")
        if file.is_file() and file.stat().st_size > size / 2 and file.suffix != ".wandb"
    ]


@pytest.mark.usefixtures("wandb_server")
def test_version_holds_what_its_aliases_and_metadata_say(tmp_path: Path):
    scores, witness = Scores(), Witness()
    path = tmp_path / "model.keras"  # each checkpoint replaces the one before it
    with wandb.init(project="p") as run:
        checkpoint = WandbModelCheckpoint(path, monitor="score", mode="min")
        train([scores, witness, checkpoint], epochs=4)

    arrived = versions(run)
    assert {number: set(version.aliases) for number, version in arrived.items()} == {
        "v0": {"epoch_0"},
        "v1": {"epoch_1", "best"},
        "v2": {"epoch_2"},
        "v3": {"epoch_3", "latest"},
    }
    for epoch, (number, version) in enumerate(arrived.items()):
        model = keras.models.load_model(download(version, tmp_path / number))
        assert same(without_seeds(values(model)), without_seeds(witness.seen[epoch]))
        assert version.type == "model"
        assert version.collection.name == f"run_{run.id}_model"
        assert version.logged_by().id == run.id
        metadata = dict(version.metadata)
        assert metadata.pop("saved_at") > 0
        assert metadata == {
            "saved_by": "wk-checkpoint",
            "run": run.id,
            "callback": None,
            "epoch": epoch,
            "batch": None,
            "global_step": (epoch + 1) * BATCHES,
            "metrics": scores.logs[epoch],
            "monitor": "score",
            "monitored_value": SCORES[epoch],
            "score": -SCORES[epoch],
            "mode": "min",
            "is_best": epoch < 2,
            "is_finite": True,
            "format": "keras",
            "whole_model": True,
            "backend": backend(),
            "keras_version": keras.__version__,
        }
    assert read(run).state == "finished"
    assert staged_files(run) == []
    assert client_copies(tmp_path, path.stat().st_size) == []


@pytest.mark.usefixtures("wandb_server")
def test_checkpoint_within_an_epoch(tmp_path: Path):
    witness = SyncedWitness()
    with wandb.init(project="p") as run:
        path = tmp_path / "{batch}.keras"
        checkpoint = WandbModelCheckpoint(path, monitor="loss", save_freq=3)
        train([witness, checkpoint], epochs=1)

    called = aliases(run)
    assert called["v0"] | called["v1"] == {"epoch_0_batch_2", "epoch_0_batch_5", "latest", "best"}
    assert "epoch_0_batch_2" in called["v0"]
    assert {"epoch_0_batch_5", "latest"} <= called["v1"]
    for number, version in versions(run).items():
        batch = version.metadata["batch"]
        assert (version.metadata["epoch"], version.metadata["global_step"]) == (0, batch + 1)
        model = keras.models.load_model(download(version, tmp_path / number))
        assert same(without_seeds(values(model)), without_seeds(witness.seen[0, batch]))


@pytest.mark.usefixtures("wandb_server")
@pytest.mark.backend_free
def test_save_best_only_logs_the_improving_epochs(tmp_path: Path):
    witness = Witness()
    with wandb.init(project="p") as run:
        checkpoint = WandbModelCheckpoint(
            tmp_path / "{epoch}-{score:.1f}.weights.h5",
            monitor="score",
            mode="min",
            save_best_only=True,
            save_weights_only=True,
        )
        train([Scores([3.0, 4.0, 1.0, 2.0, 0.5, 0.5]), witness, checkpoint], epochs=6)

    assert aliases(run) == {
        "v0": {"epoch_0"},
        "v1": {"epoch_2"},
        "v2": {"epoch_4", "latest", "best"},
    }
    for number, version in versions(run).items():
        assert version.metadata["is_best"]
        assert version.metadata["format"] == "weights.h5"
        assert not version.metadata["whole_model"]
        model = random_model(seed=8)
        model.optimizer.build(model.trainable_variables)
        model.load_weights(download(version, tmp_path / number))
        seen = witness.seen[version.metadata["epoch"]]
        assert same(without_seeds(values(model)), without_seeds(seen))


@pytest.mark.backend_free
def test_synced_offline_checkpoints_are_the_online_ones(wandb_server: WandbServer, tmp_path: Path):
    online, offline = (
        wandb.init(project="p", mode=mode, reinit="create_new") for mode in ("online", "offline")
    )
    paths = [tmp_path / run.id / "model.keras" for run in (online, offline)]
    checkpoints = [
        WandbModelCheckpoint(path, monitor="score", mode="min", run=run)
        for path, run in zip(paths, (online, offline), strict=True)
    ]
    train([Scores(), *checkpoints], epochs=4)
    online.finish()
    offline.finish()

    assert staged_files(online) == []
    kept = client_copies(tmp_path, paths[0].stat().st_size)
    assert [file.name for file in kept] == ["model.keras"] * 4
    assert all(Path(offline.settings.wandb_dir, "checkpoints") in file.parents for file in kept)
    # The last of them is the file itself, not a copy of it.
    assert max(kept).samefile(paths[1])

    sync(offline)
    synced = read_path(f"p/{offline.id}", wandb_server.url)
    assert aliases(synced) == aliases(online)
    for one, other in zip(versions(online).values(), versions(synced).values(), strict=True):
        assert (other.digest, other.size, other.type) == (one.digest, one.size, one.type)
        facts = [{**each.metadata, "saved_at": None, "run": None} for each in (one, other)]
        assert facts[0] == facts[1]
    assert {each.version for each in synced.logged_artifacts() if each.type == "model"} == {
        "v0",
        "v1",
        "v2",
        "v3",
    }


@pytest.mark.backend_free
@pytest.mark.usefixtures("wandb_server")
def test_collection_with_md5_digests_goes_on(tmp_path: Path):
    witness = Witness()
    with wandb.init(project="p") as run:
        before = wandb.Artifact(f"run_{run.id}_model", type="model")
        before.add_file(__file__)
        run.log_artifact(before).wait()
        train([witness, WandbModelCheckpoint(tmp_path / "model.keras", "loss")], epochs=2)

    _, *arrived = versions(run).values()
    for epoch, version in enumerate(arrived):
        path = download(version, tmp_path / version.version)
        assert version.manifest.entries["model.keras"].digest == md5_file_b64(path)
        model = keras.models.load_model(path)
        assert same(without_seeds(values(model)), without_seeds(witness.seen[epoch]))
    assert len(arrived) == 2


def test_same_checkpoint_is_sent_once(wandb_server: WandbServer, tmp_path: Path):
    with wandb.init(project="p") as run:
        checkpoints = [
            WandbModelCheckpoint(
                tmp_path / directory / "model.keras",
                monitor="loss",
                artifact=f"run_{run.id}_model",
            )
            for directory in ("one", "other")
        ]
        train(checkpoints, epochs=1)

    (version,) = versions(run).values()
    assert set(version.aliases) == {"epoch_0", "best", "latest"}
    logged = [each.status for each in wandb_server.requests(operation="CreateArtifact")]
    assert logged == [200, 200]
    digest = hashlib.md5((tmp_path / "one" / "model.keras").read_bytes()).hexdigest()
    uploads = [
        each.path
        for each in wandb_server.requests("files")
        if each.method == "PUT" and each.path == f"/blobs/{digest}"
    ]
    assert len(uploads) == 1
    assert staged_files(run) == []
