"""The number of an epoch in the whole training: Keras counts from zero in every `fit`.

A chart wants the number across several calls of `fit`, several callbacks and several processes.
"""

import weakref

import wandb

from wk_core.axes import last_logged

__all__ = ["Epochs", "epochs_of"]


class Epochs:
    """Counts the epochs of the training that reports to a run, for all callbacks that do.

    Attributes:
        next: The number of the epoch to come, as far as this process knows; None before the first
            one has ended.
    """

    def __init__(self) -> None:
        self.next: int | None = None
        self._axes: set[str] = set()

    def add_axis(self, key: str) -> None:
        """Notes a key under which a callback logs these numbers."""
        self._axes.add(key)

    def before(self, run: wandb.Run, initial_epoch: int, *, resumed_at: int | None = None) -> int:
        """Returns what to add to Keras' epoch numbers in a `fit` that starts at `initial_epoch`.

        A training that is resumed goes on with `resumed_at`, whatever Keras calls it. Else an
        `initial_epoch` other than 0 is the user's own word for where the training stands; a `fit`
        without one goes on where the last one of this run, or of the run that it resumes, ended.

        Args:
            run: The run.
            initial_epoch: The first number in this `fit`, as Keras counts.
            resumed_at: The number of the epoch to come, from a checkpoint.
        """
        if resumed_at is not None:
            return resumed_at - initial_epoch
        if initial_epoch > 0:
            return 0
        if self.next is not None:
            return self.next
        logged = (last_logged(run, key) for key in self._axes)
        return max((last + 1 for last in logged if last is not None), default=0)


def epochs_of(run: wandb.Run) -> Epochs:
    """Returns the one count that all callbacks share which report to `run`."""
    return _epochs.setdefault(run, Epochs())


_epochs: "weakref.WeakKeyDictionary[wandb.Run, Epochs]" = weakref.WeakKeyDictionary()
