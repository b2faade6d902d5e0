"""A model that diverges becomes neither `latest` nor `best`, whatever asks for a checkpoint."""

import contextlib
import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wandb

from online.checkpoint.test_versions import Scores
from wandb_loopback import WandbServer
from wandb_loopback.reading import aliases, read_path, staged_files, sync, versions
from wk_checkpoint import Retention, WandbModelCheckpoint, restore
from wk_core.compat.keras.flavour import keras
from wk_testing.diverging import Poisoned, SyncedWitness, is_finite
from wk_testing.resuming import random_model, same, values

HAS_RAISING = "raise_error" in inspect.signature(keras.callbacks.TerminateOnNaN).parameters


class Falling(keras.callbacks.Callback):
    """Gives each batch a better score than the one before it."""

    def __init__(self) -> None:
        super().__init__()
        self._score = 0.0

    def on_train_batch_end(self, batch, logs=None):  # noqa: ARG002
        self._score -= 1.0
        logs["score"] = self._score


def train(callbacks: Sequence[Any], epochs: int = 3, poison: tuple[int, int] = (1, 4)) -> Any:
    model = random_model()
    model.fit(Poisoned(*poison), epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks)
    return model


def restored(alias: str, run: wandb.Run) -> Any:
    model = random_model(seed=0)
    restore(model, alias, run=run)
    return model


@pytest.mark.usefixtures("wandb_server")
def test_latest_and_best_stay_with_the_last_finite_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    said: list[str] = []
    monkeypatch.setattr("wandb.termwarn", said.append)
    witness = SyncedWitness()
    with wandb.init(project="p") as run:
        path = tmp_path / "model.keras"
        train([witness, Falling(), WandbModelCheckpoint(path, "score", mode="min", save_freq=5)])
        for alias in ("latest", "best"):
            assert same(values(restored(alias, run)), witness.seen[1, 1])
        assert not is_finite(restored("non_finite", run))
        assert not is_finite(restored("epoch_1_batch_6", run))

    assert aliases(run) == {
        "v0": {"epoch_0_batch_4"},
        "v1": {"epoch_1_batch_1", "latest", "best"},
        "v2": {"epoch_1_batch_6"},
        "v3": {"epoch_2_batch_3", "non_finite"},
    }
    facts = [version.metadata for version in versions(run).values()]
    assert [each["is_finite"] for each in facts] == [True, True, False, False]
    assert [each["score"] is None for each in facts] == [False, False, True, True]
    # The good file is still there, and the last broken one beside it.
    assert sorted(path.name for path in tmp_path.glob("*.keras")) == [
        "model.keras",
        "model.non_finite.keras",
    ]
    model = random_model(seed=0)
    restore(model, tmp_path / "model.keras")
    assert same(values(model), witness.seen[1, 1])
    (warning,) = (text for text in said if "WandbModelCheckpoint" in text)
    assert "at epoch_1_batch_6 the model has values that are not finite, in" in warning
    assert "/kernel" in warning


@pytest.mark.usefixtures("wandb_server")
@pytest.mark.parametrize("raises", [False, pytest.param(True, marks=pytest.mark.skipif(
    not HAS_RAISING, reason="this version of Keras has no `raise_error`"))])  # fmt: skip
def test_training_that_is_ended_at_a_broken_loss(tmp_path: Path, raises: bool):
    end = keras.callbacks.TerminateOnNaN(**({"raise_error": True} if raises else {}))
    error = pytest.raises(RuntimeError) if raises else contextlib.nullcontext()
    with wandb.init(project="p") as run, error:
        # Its last checkpoint is pending when the next callback raises.
        train([WandbModelCheckpoint(tmp_path / "{epoch}-{batch}.keras", "loss", save_freq=1), end])

    found = aliases(run)
    (latest,) = (number for number, names in found.items() if "latest" in names)
    assert "epoch_1_batch_3" in found[latest]
    assert all("best" not in names for names in list(found.values())[12:])
    resumed = random_model(seed=0)
    with wandb.init(project="p", id=run.id, resume="must"):
        state = restore(resumed)
    assert is_finite(resumed)
    assert (state.initial_epoch, state.batch) == (1, 4)


@pytest.mark.usefixtures("wandb_server")
def test_finite_metric_of_a_broken_model_is_never_the_best(tmp_path: Path):
    path = tmp_path / "best.keras"
    with wandb.init(project="p") as run:
        checkpoint = WandbModelCheckpoint(path, "score", mode="min", save_best_only=True)
        train([Scores([3.0, 1.0, 2.0]), checkpoint])
    assert checkpoint.best == 3.0
    assert aliases(run) == {"v0": {"epoch_0", "latest", "best"}}
    model = random_model(seed=0)
    restore(model, path)
    assert is_finite(model)
    assert [each.name for each in tmp_path.glob("*.keras")] == ["best.keras"]


@pytest.mark.usefixtures("wandb_server")
def test_broken_from_the_first_checkpoint_on(tmp_path: Path):
    with wandb.init(project="p") as run:
        train([WandbModelCheckpoint(tmp_path / "model.keras", "loss")], 2, poison=(0, 4))
        with pytest.raises(FileNotFoundError, match="no checkpoint 'latest'"):
            restore(random_model())
    assert aliases(run) == {"v0": {"epoch_0"}, "v1": {"epoch_1", "non_finite"}}
    assert [each.name for each in tmp_path.glob("*.keras")] == ["model.keras"]


@pytest.mark.usefixtures("wandb_server")
def test_retention_counts_what_is_finite(tmp_path: Path):
    rule = Retention(best=1, last=1)
    with wandb.init(project="p") as run:
        checkpoint = WandbModelCheckpoint(
            tmp_path / "{epoch}.keras", "score", mode="min", retention=rule
        )
        train([Scores([1.0, 3.0, 2.0, 0.0, 0.0, 0.0]), checkpoint], 6, poison=(3, 4))
    assert aliases(run) == {
        "v0": {"epoch_0", "best"},
        "v2": {"epoch_2", "latest"},
        "v5": {"epoch_5", "non_finite"},
    }
    assert sorted(path.name for path in tmp_path.glob("*.keras")) == [
        "1.keras",
        "3.keras",
        "6.keras",
    ]


def test_run_that_is_synced_later(wandb_server: WandbServer, tmp_path: Path):
    with wandb.init(project="p", mode="offline") as run:
        train([WandbModelCheckpoint(tmp_path / "{epoch}.keras", "loss")])
        assert is_finite(restored("latest", run))
    sync(run)
    arrived = read_path(f"p/{run.id}", wandb_server.url)
    assert aliases(arrived) == {
        "v0": {"epoch_0", "latest", "best"},
        "v1": {"epoch_1"},
        "v2": {"epoch_2", "non_finite"},
    }


@pytest.mark.backend_free
@pytest.mark.usefixtures("wandb_server")
def test_server_that_moves_latest_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("wk_core.artifacts.withhold_latest", lambda *_: contextlib.nullcontext())
    with wandb.init(project="p") as run:
        train([WandbModelCheckpoint(tmp_path / "{epoch}.keras", "loss")])
    assert aliases(run) == {
        "v0": {"epoch_0", "latest", "best"},
        "v1": {"epoch_1"},
        "v2": {"epoch_2", "non_finite"},
    }
    assert staged_files(run) == []


@pytest.mark.backend_free
@pytest.mark.usefixtures("wandb_server")
def test_artifacts_of_others_get_latest_as_ever(tmp_path: Path):
    file = tmp_path / "mine.txt"
    file.write_text("mine")
    with wandb.init(project="p") as run:
        train([WandbModelCheckpoint(tmp_path / "{epoch}.keras", "loss")], 1, poison=(0, 4))
        artifact = wandb.Artifact("mine", type="notes")
        artifact.add_file(str(file))
        assert set(run.log_artifact(artifact, aliases=["first"]).wait().aliases) == {
            "first",
            "latest",
        }
    assert np.all([names == {"epoch_0", "non_finite"} for names in aliases(run).values()])
