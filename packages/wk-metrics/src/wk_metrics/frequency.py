"""When batches are logged."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

LogFreq: TypeAlias = Literal["epoch", "batch"] | int


@dataclass(frozen=True)
class Frequency:
    """Every how many batches a row is logged; never where `every` is None.

    The batches 0, N, 2N … of the whole training are due, not of each epoch: so the distance
    between two rows is always N, and a resumed training logs the rows of an uninterrupted one.
    """

    every: int | None

    @classmethod
    def parse(cls, log_freq: Any) -> "Frequency":
        """Reads the `log_freq` argument.

        Raises:
            ValueError: If it is neither `"epoch"`, `"batch"` nor a positive whole number.
        """
        if log_freq == "epoch":
            return cls(None)
        if log_freq == "batch":
            return cls(1)
        if isinstance(log_freq, int) and not isinstance(log_freq, bool) and log_freq >= 1:
            return cls(log_freq)
        raise ValueError(
            "`log_freq` must be 'epoch', 'batch' or a whole number of batches, 1 or more. "
            f"Received: log_freq={log_freq!r}"
        )

    def is_due(self, first: int, last: int) -> bool:
        """Tells whether a batch from `first` to `last`, both included, is due."""
        return self.every is not None and last // self.every > (first - 1) // self.every
