"""The calls of `fit` in which a callback takes part.

Keras sets a callback's model and parameters in each call of `fit`, `evaluate` and `predict`. If a
hook makes such a call within a `fit`, it overwrites them. So the state of a `fit` is kept here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from wk_checkpoint.checkpoint import Checkpoint, CheckpointStep
from wk_checkpoint.epoch_count import EpochCount
from wk_checkpoint.monitor import MonitorResult
from wk_checkpoint.schedule import BatchInterval
from wk_core.compat.keras.hooks import current_callback_list, current_callback_lists

__all__ = ["OngoingFit", "OngoingFits"]


@dataclass(eq=False)
class OngoingFit:
    """A `fit` from its begin to its end, as one callback sees it.

    Attributes:
        model: The model that is trained.
        caller: The `CallbackList` that calls the hooks; None in a user's own loop.
        steps: The number of batches in an epoch, if Keras knows it.
        epochs: The numbers of its epochs.
        interval: The interval between checkpoints in batches; None if they are due by epochs.
        epoch: Keras' number of the present epoch.
        random_of_epoch: The state of the random generators when its batches begin; None if no
            checkpoint is taken within an epoch.
        find_last: Returns the number of the last batch that is trained, from Keras' number.
        last_batch: The number of the last batch of that epoch, and Keras' logs; None at its begin.
        pending: The checkpoint that is saved after the hooks of all other callbacks.
        last_end: The last end of a batch or epoch, if it is not saved; preemption may still
            save it.
        put_back_to: The number of batches of the checkpoint to which the training was put back, as
            long as no batch was trained since; None without one.
    """

    model: Any
    caller: Any
    steps: int | None
    epochs: EpochCount
    interval: BatchInterval | None
    epoch: int = 0
    random_of_epoch: Mapping[str, Any] | None = None
    find_last: Callable[[int], int] = int
    last_batch: tuple[int, Mapping[str, Any] | None] | None = None
    pending: Checkpoint | None = None
    last_end: tuple[CheckpointStep, MonitorResult] | None = None
    put_back_to: int | None = None


class OngoingFits:
    """The running calls of `fit` with one callback: one, and those that hooks make within it."""

    def __init__(self) -> None:
        self._fits: list[OngoingFit] = []

    @property
    def current(self) -> OngoingFit | None:
        """The innermost one; None outside of `fit`."""
        return self._fits[-1] if self._fits else None

    def begin(self, fit: OngoingFit) -> OngoingFit:
        """Adds a `fit`, and removes those that have raised: no longer in the call stack."""
        waiting = [each for each in current_callback_lists() if each is not fit.caller]
        self._fits = [each for each in self._fits if any(each.caller is one for one in waiting)]
        if self._fits and fit.interval is not None:
            # The outer `fit` goes on with its own count.
            fit.interval = BatchInterval(fit.interval.every)
        self._fits.append(fit)
        return fit

    def end(self) -> None:
        """Removes the innermost one."""
        if self._fits:
            self._fits.pop()

    def at_epoch(self) -> OngoingFit | None:
        """Returns the `fit` whose epoch begins or ends; removes those within it, which are over."""
        caller = current_callback_list()
        if any(each.caller is caller for each in self._fits):
            while self._fits[-1].caller is not caller:
                self._fits.pop()
        return self.current

    def of(self, caller: Any) -> OngoingFit | None:
        """Returns the innermost `fit` whose hooks a `CallbackList` calls."""
        known = (each for each in reversed(self._fits) if each.caller is caller)
        return next(known, None)
