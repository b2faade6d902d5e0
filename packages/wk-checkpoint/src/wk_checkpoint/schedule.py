"""When a checkpoint is due that is taken every so many batches."""

from dataclasses import dataclass

__all__ = ["BatchInterval"]


@dataclass
class BatchInterval:
    """Counts batches, and says when so many of them have passed.

    Epochs do not start the count anew. With several batches an execution a checkpoint is due at
    the end of the execution in which its batch lies.

    Attributes:
        every: How many batches lie between two checkpoints.
        since_last: How many have passed since the last one.
    """

    every: int
    since_last: int = 0
    _next_batch: int = 0

    def start_epoch(self) -> None:
        """Notes that the next batch is the first one of an epoch."""
        self._next_batch = 0

    def is_due_after(self, batch: int) -> bool:
        """Notes that all batches of the epoch up to number `batch` have ended."""
        self.since_last += batch + 1 - self._next_batch
        self._next_batch = batch + 1
        if self.since_last < self.every:
            return False
        self.since_last = 0
        return True
