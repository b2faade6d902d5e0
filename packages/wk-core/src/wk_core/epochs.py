"""The numbers of a training's epochs, which Keras counts from zero in every `fit`."""

import weakref
from collections.abc import Mapping
from typing import Any

import wandb

from wk_core.axes import last_logged, last_row

__all__ = ["EpochCounter", "EpochNumbers", "epoch_counter"]


class EpochCounter:
    """Counts the epochs of the training that reports to a run, for all callbacks that do.

    Keras counts from zero in every `fit`. A chart wants the number across several calls of `fit`,
    several callbacks and several processes.

    Attributes:
        next: The number of the next epoch, as far as this process knows; None before the first
            epoch has ended.
    """

    def __init__(self) -> None:
        self.next: int | None = None
        self._axes: set[str] = set()

    def add_axis(self, key: str) -> None:
        """Adds a key under which a callback logs these numbers."""
        self._axes.add(key)

    def before(self, run: wandb.Run, initial_epoch: int, *, resumed_at: int | None = None) -> int:
        """Returns what to add to Keras' epoch numbers in a `fit` that starts at `initial_epoch`.

        A training that is resumed goes on with `resumed_at`, whatever Keras calls it. Else an
        `initial_epoch` other than 0 is the user's own word for where the training stands; a `fit`
        without it goes on where the last `fit` of this run, or of the run that it resumes, ended.

        Args:
            run: The run.
            initial_epoch: The first number in this `fit`, as Keras counts.
            resumed_at: The number of the next epoch, from a checkpoint.
        """
        if resumed_at is not None:
            return resumed_at - initial_epoch
        if initial_epoch > 0:
            return 0
        if self.next is not None:
            return self.next
        logged = (last_logged(run, key) for key in self._axes)
        return max((last + 1 for last in logged if last is not None), default=0)


def epoch_counter(run: wandb.Run) -> EpochCounter:
    """Returns the counter that all callbacks share which report to `run`."""
    return _counters.setdefault(run, EpochCounter())


_counters: "weakref.WeakKeyDictionary[wandb.Run, EpochCounter]" = weakref.WeakKeyDictionary()


class EpochNumbers:
    """Numbers the epochs of a training from its beginning, across several calls of `fit`.

    Args:
        run: The run.
        key: The key of the axis under which a callback logs the numbers; None if it logs none.
        counter: Where this training stands. Defaults to the counter that all callbacks of the run
            share.

    Attributes:
        next: The number of the present epoch, or of the epoch to come between two of them.
    """

    def __init__(
        self, run: wandb.Run, key: str | None = None, *, counter: EpochCounter | None = None
    ) -> None:
        self._run = run
        self._key = key
        self._counter = epoch_counter(run) if counter is None else counter
        if key is not None:
            self._counter.add_axis(key)
        self.next = self._counter.next or 0
        self._offset: int | None = None
        self._resumed_at: int | None = None
        self._last_logged = -1

    @property
    def has_begun(self) -> bool:
        """Whether this `fit` has begun an epoch."""
        return self._offset is not None

    def begin_fit(self) -> None:
        """Makes the next `begin` find out where the training stands."""
        self._offset = None

    def begin(self, epoch: int) -> None:
        """Records that an epoch begins, whose number in this `fit` is `epoch`."""
        if self._offset is None:
            self._offset = self._counter.before(self._run, epoch, resumed_at=self._resumed_at)
            self._resumed_at = None
        self.next = self.number(epoch)

    def end(self, epoch: int) -> None:
        """Records that an epoch has ended, whose number in this `fit` is `epoch`."""
        self.next = self.number(epoch) + 1
        if self.has_begun:  # else the number is a guess: a subclass has overridden the hook
            self._counter.next = self.next

    def number(self, epoch: int) -> int:
        """Returns an epoch's number in the whole training, given its number in this `fit`."""
        return epoch + (self._offset or 0)

    def is_new(self, number: int) -> bool:
        """Returns whether the run has no row of an epoch yet; a resumed run may have one."""
        return number > self._last_logged

    def resume_at(self, number: int | None) -> None:
        """Continues with this number in the next `fit`; None changes nothing."""
        if number is not None:
            self._resumed_at = number

    def state(self) -> dict[str, int]:
        """Returns what a resumed training needs."""
        return {"next_epoch": self.next}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continues from a state in the next `fit`."""
        self.resume_at(state["next_epoch"])
        last = None if self._key is None else last_row(self._run, self._key)
        self._last_logged = -1 if last is None else last
