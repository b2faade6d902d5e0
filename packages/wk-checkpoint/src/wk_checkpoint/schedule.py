"""When a checkpoint is due: at the end of each epoch, or every so many batches."""

from dataclasses import dataclass
from typing import Any, Literal

from wk_core.arguments import check_whole_number

__all__ = ["BatchInterval", "checked_save_freq"]


def checked_save_freq(save_freq: Any) -> Literal["epoch"] | int:
    """Returns `save_freq`; raises ValueError if it is not `"epoch"` or a number of batches."""
    if save_freq == "epoch":
        return "epoch"
    return check_whole_number(save_freq, "save_freq", of="batches", or_else="'epoch'")


@dataclass
class BatchInterval:
    """Counts batches, and tells when a checkpoint is due.

    The count goes on from epoch to epoch. If Keras runs several batches in one execution, a
    checkpoint is due at the end of the execution that contains its batch.

    Attributes:
        every: The number of batches from one checkpoint to the next.
        since_last: The number of batches since the last checkpoint.
    """

    every: int
    since_last: int = 0
    _next_batch: int = 0

    def start_epoch(self) -> None:
        """Resets the number of the next batch to 0."""
        self._next_batch = 0

    def is_due_after(self, batch: int) -> bool:
        """Counts the batches of the epoch up to number `batch`; returns whether one is due."""
        self.since_last += batch + 1 - self._next_batch
        self._next_batch = batch + 1
        if self.since_last < self.every:
            return False
        self.since_last = 0
        return True
