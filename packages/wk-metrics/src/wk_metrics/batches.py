"""The batches of an epoch: in order, under their true numbers, and which of them are logged."""

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

from wk_core.arguments import check_whole_number

LogFreq: TypeAlias = Literal["epoch", "batch"] | int


@dataclass(frozen=True)
class Frequency:
    """The number of batches from one logged batch to the next.

    The batches 0, N, 2N … of the whole training are due, not of each epoch. So the distance between
    two rows is always N, and a resumed training logs the same rows as an uninterrupted training.

    Attributes:
        every: N; None if no batch is logged.
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
        words = "'epoch' or 'batch'"
        return cls(check_whole_number(log_freq, "log_freq", of="batches", or_else=words))

    def is_due(self, first: int, last: int) -> bool:
        """Returns whether a batch from `first` to `last`, both included, is due."""
        return self.every is not None and last // self.every > (first - 1) // self.every


class Execution(NamedTuple):
    """The batches that Keras trained on between two calls of the batch hooks.

    Attributes:
        first: The number of the first batch within the epoch.
        last: The number of the last batch, which `logs` belong to.
        logs: The logs that Keras passed to the hook.
    """

    first: int
    last: int
    logs: Mapping[str, Any]


class EpochBatches:
    """Puts the executions of an epoch in order and finds their true numbers.

    On JAX and PyTorch, Keras calls the end-of-batch hooks from a pool of threads, out of order.
    With `steps_per_execution` above 1, it calls the last hook of an epoch with a number past the
    last batch, as if the execution had been full. So the newest execution is held back until the
    next execution arrives, or until the epoch has ended and its length is known.

    Args:
        steps_per_execution: The number of batches between two calls of the hooks.

    Attributes:
        count: The number of batches so far.
    """

    def __init__(self, steps_per_execution: int) -> None:
        self._stride = steps_per_execution
        self._held_back = 0 if steps_per_execution == 1 else 1
        self._arrived: list[tuple[int, Mapping[str, Any]]] = []
        self._released = 0
        self.count = 0

    def add(self, last: int, logs: Mapping[str, Any]) -> None:
        """Adds the arguments of a hook."""
        heapq.heappush(self._arrived, (last, logs))
        self.count = max(self.count, last + 1)

    def ready(self) -> Iterator[Execution]:
        """Yields the executions whose turn has come."""
        while len(self._arrived) > self._held_back and self._next_has_arrived():
            yield self._release()

    def end(self, true_count: int | None) -> Iterator[Execution]:
        """Yields the remaining executions.

        Args:
            true_count: The number of batches of the epoch; None if it is not known.
        """
        if true_count is not None and self.count - self._stride < true_count <= self.count:
            self.count = true_count
        while self._arrived:
            yield self._release()

    def _next_has_arrived(self) -> bool:
        last, _ = self._arrived[0]
        return last < self._released + self._stride

    def _release(self) -> Execution:
        last, logs = heapq.heappop(self._arrived)
        first, self._released = self._released, last + 1
        return Execution(first, min(last, self.count - 1), logs)
