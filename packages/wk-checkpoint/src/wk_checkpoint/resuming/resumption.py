"""Going on by itself: a `fit` that begins with the last checkpoint of its run."""

import os
import weakref
from typing import Any, Final

import wandb

from wk_checkpoint.resuming.restore import load
from wk_checkpoint.resuming.skipped_batches import (
    SkippedBatches,
    batches_before,
    pass_epochs,
    why_not_positioned,
)
from wk_checkpoint.state import training_state
from wk_checkpoint.storage.storage import storage_at
from wk_core.compat.keras.flavour import LEGACY
from wk_core.compat.keras.training import begin_at_epoch
from wk_core.process import this_process
from wk_core.run import is_silent

__all__ = ["Resumption", "checked_resume"]

_WORDS: Final = ("auto", "must")


def checked_resume(resume: Any) -> str | os.PathLike[str] | None:
    """Returns the argument `resume`.

    Raises:
        TypeError: If it is neither None, a text nor a path.
        ValueError: If it is empty, or given under Keras 2.
    """
    if resume is None:
        return None
    if not isinstance(resume, (str, os.PathLike)):
        raise TypeError(
            "`resume` must be 'auto', 'must', a checkpoint as `restore` takes it, or None. "
            f"Received: resume={resume!r}"
        )
    if LEGACY or not os.fspath(resume):
        reason = (
            "needs Keras 3; with Keras 2, call `restore` before `fit`" if LEGACY else "is empty"
        )
        raise ValueError(f"`resume` {reason}. Received: resume={resume!r}")
    return resume


class Resumption:
    """Restores a training when its first `fit` begins.

    Args:
        resume: The argument of the callback.
        filepath: The path of its checkpoints, which has the latest one where no run does.
        run: The run.
    """

    def __init__(self, resume: str | os.PathLike[str], filepath: str, run: wandb.Run) -> None:
        self._resume = resume
        self._filepath = filepath
        self._run = run
        self.is_done = False

    def begin(self, caller: Any, model: Any) -> None:
        """Restores the model and the callbacks, and says where the `fit` goes on.

        To be called before the list of callbacks calls `on_train_begin` of any of them.

        Args:
            caller: The list of callbacks.
            model: The model.

        Raises:
            FileNotFoundError: If there has to be a checkpoint, and there is none.
            ValueError: If wk did not write it, or the model differs from the saved one.
        """
        if self.is_done:
            return
        self.is_done = True
        if caller in _resumed:  # by another callback of the same `fit`
            return
        _resumed.add(caller)
        try:
            state, source = load(model, self._source(), self._run)
        except FileNotFoundError:
            if self._resume != "auto":
                raise
            wandb.termlog(f"WandbModelCheckpoint(resume='auto'): {self._name} has no checkpoint.")
            return
        there = training_state.restore(state, model, caller.callbacks, source=source)
        begin_at_epoch(model, caller, there.initial_epoch)
        pass_epochs(there.initial_epoch)
        place, reason = f"epoch {there.initial_epoch}", None
        if there.batch or batches_before(there.initial_epoch):
            reason = why_not_positioned(model, there.batch)
            if reason is None:
                place += f", batch {there.batch}"
                SkippedBatches(
                    model,
                    caller,
                    there.batch,
                    batches_before(there.initial_epoch),
                    logs=there.metrics,
                    metric_values=state["metric_values"],
                    random=state["random"],
                    random_of_epoch=state["random_of_epoch"],
                )
            else:
                place += f", whose batches come from their begin, since {reason}"
        say = wandb.termlog if reason is None else wandb.termwarn
        say(f"{source} is restored: training goes on at {place} (counted from 0).")

    def _source(self) -> str | os.PathLike[str] | None:
        if self._resume not in _WORDS:
            return self._resume
        if not self._run.disabled and not is_silent(self._run) and this_process().count == 1:
            return None  # the run's latest
        if storage_at(self._filepath).stamp() is None:
            raise FileNotFoundError(
                f"WandbModelCheckpoint(resume={self._resume!r}): there is no checkpoint at "
                f"{self._filepath!r}, where a training {self._of_whom} looks for it."
            )
        return self._filepath

    @property
    def _of_whom(self) -> str:
        return "without a run" if self._run.disabled else "of several processes"

    @property
    def _name(self) -> str:
        alone = not self._run.disabled and this_process().count == 1
        return f"run {self._run.id!r}" if alone else repr(self._filepath)


_resumed: "weakref.WeakSet[Any]" = weakref.WeakSet()
