"""Putting a training back to a checkpoint while it runs: who can do it, and how others find it."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from wk_core.compat.keras.hooks import current_callback_list

__all__ = [
    "RestoredCheckpoint",
    "RollbackError",
    "RollbackSource",
    "count_rollback",
    "find_rollback_source",
    "rollbacks",
]

_count = 0  # of rollbacks in this process


@dataclass(frozen=True)
class RestoredCheckpoint:
    """The checkpoint to which a running training was put back; all numbers count from 0.

    Attributes:
        name: Its step, as the version's alias in W&B has it: `"epoch_3"`, `"epoch_3_batch_99"`.
        path: Its path as the user gave it, with the placeholders filled in.
        epoch: The number of its epoch in the run.
        batch: The number of the batch that had just ended; None at the end of the epoch.
        global_step: The number of batches on which the model had been trained; None if unknown.
    """

    name: str
    path: str
    epoch: int
    batch: int | None
    global_step: int | None


class RollbackError(RuntimeError):
    """A running training cannot be put back: there is no checkpoint, or it cannot be read."""


@runtime_checkable
class RollbackSource(Protocol):
    """A callback that can put a running training back to its last good checkpoint."""

    def roll_back(self) -> RestoredCheckpoint:
        """Puts the model back to the last checkpoint all of whose values are finite.

        To be called in a hook, in the thread that trains.

        Raises:
            RollbackError: If there is no such checkpoint.
        """


def find_rollback_source() -> RollbackSource | None:
    """Returns the first such callback of the `fit` that is calling a hook; None without one."""
    callback_list = current_callback_list()
    callbacks = () if callback_list is None else callback_list.callbacks
    return next((each for each in callbacks if isinstance(each, RollbackSource)), None)


def count_rollback() -> None:
    """Records that a training was put back, and with it what its metrics and optimizers count."""
    global _count
    _count += 1


def rollbacks() -> int:
    """Returns how often trainings of this process were put back so far."""
    return _count
