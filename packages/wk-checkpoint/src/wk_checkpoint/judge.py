"""Whether a checkpoint is finite, before it is written: a broken one harms no good one."""

import threading
from collections.abc import Callable, Collection
from dataclasses import replace

import wandb

from wk_checkpoint.checkpoint import NON_FINITE, Checkpoint
from wk_checkpoint.filepath import beside
from wk_checkpoint.snapshot.checkpoint_data import CheckpointData
from wk_checkpoint.storage.storage import storage_at
from wk_core.description import few

__all__ = ["Judge"]


class Judge:
    """Looks whether the values of checkpoints are finite, one after the other.

    A broken checkpoint is said, once until the model is finite again.

    Args:
        demote: Called with a broken checkpoint, which is not the best after all.
        hurry: Called where the training thread waits for a judgement.
        is_silent: Whether another process says what there is to say.
    """

    def __init__(
        self,
        demote: Callable[[Checkpoint], None],
        hurry: Callable[[], None],
        *,
        is_silent: bool = False,
    ) -> None:
        self._demote = demote
        self._hurry = hurry
        self._is_silent = is_silent
        self._was_finite = True
        self._broken_path: str | None = None
        self._is_done = threading.Event()
        self._is_done.set()

    def announce(self) -> None:
        """Announces a checkpoint: from now on `wait` waits until it is judged."""
        self._is_done.clear()

    def wait(self) -> None:
        """Waits until the last checkpoint is judged, so that the best value is known."""
        if not self._is_done.is_set():
            self._hurry()
            self._is_done.wait()

    def judge(
        self, checkpoint: Checkpoint, data: CheckpointData, by_design: Collection[str]
    ) -> Checkpoint | None:
        """Returns the checkpoint with what is known of it now, and where it is written to.

        A broken one replaces no other file: it is written beside that. If nothing but a metric
        wants it saved, as the best one, it is not saved at all: then this returns None.

        Args:
            checkpoint: The checkpoint.
            data: Its content.
            by_design: The names of the weights that may hold infinities.
        """
        try:
            names = tuple(data.non_finite(by_design))
            if names:
                self._demote(checkpoint)
        finally:
            self._is_done.set()
        was_finite, self._was_finite = self._was_finite, not names
        if not names:
            return checkpoint
        if was_finite and not self._is_silent:
            wandb.termwarn(
                f"WandbModelCheckpoint: at {checkpoint.step.alias} the model has values that are "
                f"not finite, in {few(names)}. Such a checkpoint becomes neither `latest` nor "
                f"`best` and replaces no file. Its alias is `{NON_FINITE}`."
            )
        if checkpoint.only_as_best:
            return None
        return self._placed(replace(checkpoint, is_best=False, non_finite=names))

    def _placed(self, broken: Checkpoint) -> Checkpoint:
        path = broken.path
        if path != self._broken_path and storage_at(path).stamp() is not None:
            return replace(broken, path=beside(path), given_path=beside(broken.given_path))
        self._broken_path = path
        return broken
