"""Where a training stands: the number of its next batch and of its next epoch.

Keras counts both from zero in every epoch and in every `fit`. A chart wants the number within the
whole training, across several calls of `fit`, several callbacks and several processes.
"""

import weakref
from dataclasses import dataclass
from typing import Any

import wandb

from wk_core.axes import last_logged
from wk_core.epochs import Epochs, epochs_of
from wk_core.optimizers import batches_trained


@dataclass
class GlobalStep:
    """Where the training that reports to a run stands, as far as this process knows.

    Attributes:
        epochs: Counts the epochs, for callbacks of other packages too.
        next_batch: The number of the batch to come, None where nobody has counted batches.
        ahead: By how much `next_batch` is ahead of the optimizer's own count.
        optimizer: The optimizer that `ahead` is about.
    """

    epochs: Epochs
    next_batch: int | None = None
    ahead: int = 0
    optimizer: "weakref.ref[Any] | None" = None

    @property
    def next_epoch(self) -> int | None:
        """The number of the epoch to come, None before the first one."""
        return self.epochs.next

    @next_epoch.setter
    def next_epoch(self, number: int) -> None:
        self.epochs.next = number

    def start_epochs(
        self, run: wandb.Run, initial_epoch: int, *, resumed_at: int | None = None
    ) -> int:
        """Returns what to add to Keras' epoch numbers in a `fit` that starts at `initial_epoch`."""
        return self.epochs.before(run, initial_epoch, resumed_at=resumed_at)

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

        `optimizer` is the one whose count is that of the batches, None where no count is. The
        surest source decides, in this order:

        1. the number that the user gave;
        2. what this process has seen of the training: the batches logged to this run, and those
           that the same optimizer has been applied to since;
        3. the optimizer's own count, which a restored model brings along, where it is applied once
           a batch;
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
            last = last_logged(run, "batch/batch_step")
            logged = 0 if last is None else last + 1
            start = max(epochs * (steps_per_epoch or 0), logged)
        self.remember(optimizer, start)
        return start

    def remember(self, optimizer: Any, next_batch: int) -> None:
        """Notes that batch `next_batch` is to come, with the optimizer as it is now."""
        self.next_batch = next_batch
        self.optimizer = None if optimizer is None else weakref.ref(optimizer)
        self.ahead = 0 if optimizer is None else next_batch - batches_trained(optimizer)


def global_step_of(run: wandb.Run) -> GlobalStep:
    """Returns the one position that all callbacks share which report to `run`."""
    if run not in _positions:
        epochs = epochs_of(run)
        epochs.add_axis("epoch/epoch")
        _positions[run] = GlobalStep(epochs)
    return _positions[run]


_positions: "weakref.WeakKeyDictionary[wandb.Run, GlobalStep]" = weakref.WeakKeyDictionary()
