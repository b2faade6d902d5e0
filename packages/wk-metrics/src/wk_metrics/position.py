"""Where a training stands: the number of its next batch and of its next epoch.

Keras counts both from zero in every epoch and in every `fit`. A chart wants the number within the
whole training, across several calls of `fit`, several callbacks and several processes.
"""

import weakref
from dataclasses import dataclass
from typing import Any

import wandb

from wk_core.keras import batches_trained
from wk_metrics.rows import last_logged


@dataclass
class Position:
    """Where the training that reports to a run stands, as far as this process knows.

    Attributes:
        next_epoch: The number of the epoch to come, None before the first one.
        next_batch: The number of the batch to come, None where nobody has counted batches.
        ahead: By how much `next_batch` is ahead of the optimizer's own count.
        optimizer: The optimizer that `ahead` is about.
    """

    next_epoch: int | None = None
    next_batch: int | None = None
    ahead: int = 0
    optimizer: "weakref.ref[Any] | None" = None

    def start_epochs(
        self, run: wandb.Run, initial_epoch: int, *, resumed_at: int | None = None
    ) -> int:
        """Returns what to add to Keras' epoch numbers in a `fit` that starts at `initial_epoch`.

        A training that is resumed goes on with `resumed_at`, whatever Keras calls it. Else an
        `initial_epoch` other than 0 is the user's own word for where the training stands; a `fit`
        without one goes on where the last one of this run, or of the run that it resumes, ended.
        """
        if resumed_at is not None:
            return resumed_at - initial_epoch
        if initial_epoch > 0:
            return 0
        if self.next_epoch is not None:
            return self.next_epoch
        return _after_last_logged(run, "epoch/epoch")

    def start_batches(
        self,
        run: wandb.Run,
        optimizer: Any,
        *,
        initial_epoch: int,
        steps_per_epoch: int | None,
        given: int | None,
    ) -> int:
        """Returns the number of the first batch of a `fit`, and remembers it.

        The surest source decides, in this order:

        1. the number that the user gave;
        2. what this process has seen of the training: the batches logged to this run, and those
           that the same optimizer has been applied to since;
        3. the optimizer's own count, which a restored model brings along;
        4. the epochs before this `fit`, times `steps_per_epoch`;
        5. the last batch that a resumed run has logged, which may lie behind.
        """
        trained = 0 if optimizer is None else batches_trained(optimizer)
        known_optimizer = None if self.optimizer is None else self.optimizer()
        if given is not None:
            start = given
        elif self.next_batch is not None and known_optimizer is optimizer:
            start = self.next_batch if optimizer is None else trained + self.ahead
        elif trained > 0:
            start = trained
        elif self.next_batch is not None:
            start = self.next_batch
        elif initial_epoch > 0 and steps_per_epoch is not None:
            start = initial_epoch * steps_per_epoch
        else:
            epochs = self.start_epochs(run, initial_epoch)
            logged = _after_last_logged(run, "batch/batch_step")
            start = max(epochs * (steps_per_epoch or 0), logged)
        self.remember(optimizer, start)
        return start

    def remember(self, optimizer: Any, next_batch: int) -> None:
        """Notes that batch `next_batch` is to come, with the optimizer as it is now."""
        self.next_batch = next_batch
        self.optimizer = None if optimizer is None else weakref.ref(optimizer)
        self.ahead = 0 if optimizer is None else next_batch - batches_trained(optimizer)


def position_of(run: wandb.Run) -> Position:
    """Returns the one position that all callbacks share which report to `run`."""
    return _positions.setdefault(run, Position())


_positions: "weakref.WeakKeyDictionary[wandb.Run, Position]" = weakref.WeakKeyDictionary()


def _after_last_logged(run: wandb.Run, key: str) -> int:
    last = last_logged(run, key)
    return 0 if last is None else last + 1
