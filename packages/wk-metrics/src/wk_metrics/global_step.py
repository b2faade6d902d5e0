"""The number of the next batch in the whole training.

Keras counts batches from zero in every epoch. A chart needs numbers that go on across epochs, calls
of `fit`, callbacks and processes, as `wk_core.epochs` has them of epochs.
"""

import weakref
from dataclasses import dataclass
from typing import Any

import wandb

from wk_core.arguments import check_whole_number
from wk_core.axes import last_logged
from wk_core.compat.keras.optimizers import batches_trained


@dataclass
class StartingPoint:
    """The given numbers at which the next `fit` starts, instead of those that are worked out.

    Attributes:
        batch: The number of the first batch in the whole training; None if not given.
        epoch: The number of the first epoch in the whole training; None if not given.
    """

    batch: int | None = None
    epoch: int | None = None

    @classmethod
    def parse(cls, initial_global_step: Any) -> "StartingPoint":
        """Reads the `initial_global_step` argument.

        Raises:
            ValueError: If it is neither None nor a whole number, 0 or more.
        """
        if initial_global_step is None:
            return cls()
        name = "initial_global_step"
        return cls(
            check_whole_number(initial_global_step, name, of="batches", least=0, or_else="None")
        )


@dataclass
class GlobalStep:
    """The batch that a training which reports to a run has reached in this process.

    Attributes:
        next_batch: The number of the next batch; None if no callback has counted batches.
        ahead: The difference between `next_batch` and the optimizer's own count.
        optimizer: The optimizer that `ahead` refers to.
    """

    next_batch: int | None = None
    ahead: int = 0
    optimizer: "weakref.ref[Any] | None" = None

    def start_batches(
        self,
        run: wandb.Run,
        optimizer: Any,
        *,
        initial_epoch: int,
        first_epoch: int,
        steps_per_epoch: int | None,
        given: int | None,
    ) -> int:
        """Returns the number of the first batch of a `fit`, and remembers it.

        The most reliable source decides, in this order:

        1. the given number;
        2. the batches that this process has logged to this run, plus the batches that the same
           optimizer has been applied to since;
        3. the optimizer's own count, which a restored model has kept;
        4. the number of epochs before this `fit`, times `steps_per_epoch`;
        5. the last batch that the resumed run has logged, which may be too low.

        Args:
            run: The run.
            optimizer: The optimizer that is applied once a batch; None if there is none.
            initial_epoch: The first epoch of this `fit`, as Keras counts.
            first_epoch: The number of this epoch in the whole training.
            steps_per_epoch: The number of batches in an epoch, if it is known.
            given: The given number; None if there is none.
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
            last = last_logged(run, "batch/batch_step")
            logged = 0 if last is None else last + 1
            start = max(first_epoch * (steps_per_epoch or 0), logged)
        self.remember(optimizer, start)
        return start

    def remember(self, optimizer: Any, next_batch: int) -> None:
        """Records that `next_batch` is the next batch at the optimizer's present count."""
        self.next_batch = next_batch
        self.optimizer = None if optimizer is None else weakref.ref(optimizer)
        self.ahead = 0 if optimizer is None else next_batch - batches_trained(optimizer)


def global_step_of(run: wandb.Run) -> GlobalStep:
    """Returns the `GlobalStep` that all callbacks of a run share."""
    return _global_steps.setdefault(run, GlobalStep())


_global_steps: "weakref.WeakKeyDictionary[wandb.Run, GlobalStep]" = weakref.WeakKeyDictionary()
