"""The last checkpoint all of whose values are finite, and going back to it within a `fit`."""

import contextlib
import tempfile
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import wandb

from wk_checkpoint.artifacts.server import download, has_server, uploaded_version
from wk_checkpoint.artifacts.staging import StagedVersion
from wk_checkpoint.checkpoint import Checkpoint
from wk_checkpoint.state import training_state
from wk_checkpoint.state.loading import load_checkpoint
from wk_checkpoint.storage.storage import storage_at
from wk_core.compat.keras.training import sync_state
from wk_core.state.rollback import RestoredCheckpoint, RollbackError, count_rollback

__all__ = ["LastGood"]


@dataclass(frozen=True)
class _Saved:
    """A checkpoint that was saved: what it is, its model, and where its content is."""

    checkpoint: Checkpoint
    model: "weakref.ref[Any]"
    stamp: list[int] | None
    staged: StagedVersion | None


class LastGood:
    """Remembers the last finite checkpoint of a callback, and puts its model back to it.

    Args:
        run: The run.
        artifact: The name of the artifact to which the checkpoints are logged.
    """

    def __init__(self, run: wandb.Run, artifact: str) -> None:
        self._run = run
        self._artifact = artifact
        self._saved: _Saved | None = None

    def record(self, checkpoint: Checkpoint, model: Any, staged: StagedVersion | None) -> None:
        """Records a finite checkpoint that stands at its path."""
        stamp = storage_at(checkpoint.path).stamp()
        self._saved = _Saved(checkpoint, weakref.ref(model), stamp, staged)

    def put_back(self, model: Any, *, epoch: int) -> RestoredCheckpoint:
        """Puts a model back to the checkpoint, within its `fit` and in the thread that trains.

        Args:
            model: The model.
            epoch: The number of the present epoch in the run. The metrics go on from the
                checkpoint if it is of the same epoch; else they begin anew.

        Raises:
            RollbackError: If there is no checkpoint of this model, or it cannot be read.
        """
        saved = self._saved
        if saved is None or saved.model() is not model:
            raise RollbackError(
                f"No finite checkpoint of {model.name!r} has been saved in this process so far, so "
                "there is none to go back to. `save_freq` says when the first one is."
            )
        step, name = saved.checkpoint.step, saved.checkpoint.step.alias
        sync_state(model)
        try:
            with contextlib.ExitStack() as stack:
                path = self._find(saved, stack)
                state = load_checkpoint(model, path, f"Checkpoint {name!r}")
        except (OSError, ValueError, wandb.Error) as error:
            raise RollbackError(f"Checkpoint {name!r} cannot be put back: {error}") from error
        training_state.restore_model(state, model, f"Checkpoint {name!r}")
        training_state.restore_metrics(state["metric_values"] if step.epoch == epoch else (), model)
        count_rollback()
        return RestoredCheckpoint(
            name, saved.checkpoint.given_path, step.epoch, step.batch, step.global_step
        )

    def _find(self, saved: _Saved, stack: contextlib.ExitStack) -> Path:
        """Returns a path of its content, which stays until the stack is closed.

        That is the user's file, unless it was moved or replaced; else what W&B has of it.
        """
        storage, staged = storage_at(saved.checkpoint.path), saved.staged
        if saved.stamp is not None and storage.stamp() == saved.stamp:
            return stack.enter_context(storage.local_copy())
        if staged is not None and staged.is_complete:
            with contextlib.suppress(OSError):  # It was uploaded and removed meanwhile.
                return stack.enter_context(staged.reading_copy())
        if staged is not None and has_server(self._run):
            name = f"{self._artifact}:{saved.checkpoint.step.alias}"
            version = uploaded_version(self._run, name)
            if version is not None:
                return download(version, stack.enter_context(tempfile.TemporaryDirectory()))
        raise FileNotFoundError(f"{saved.checkpoint.given_path!r} is gone, or was replaced")
