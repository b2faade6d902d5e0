"""The prediction of each example over the epochs."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np


class PredictionHistory:
    """Records one value of each example in each epoch: a predicted label, an error, an overlap."""

    def __init__(self) -> None:
        self._epochs: list[int] = []
        self._values: list[list[Any]] = []

    def __len__(self) -> int:
        return len(self._epochs)

    def add(self, epoch: int, tracked_values: list[Any]) -> None:
        """Adds the values of an epoch, one for each example."""
        self._epochs.append(epoch)
        self._values.append(tracked_values)

    def columns(self) -> list[str]:
        """Returns the column names: `changes`, and `epoch <number>` for each epoch."""
        return ["changes", *(f"epoch {epoch}" for epoch in self._epochs)]

    def rows(self) -> Iterator[tuple[int, list[Any]]]:
        """Yields the index and the cells of each example, the largest change first.

        For labels, `changes` counts how often the label changed from one epoch to the next. For
        numbers, it is the last value minus the first.
        """
        by_example = list(zip(*self._values, strict=True))
        changes = [_changes(values) for values in by_example]
        for number in np.argsort([-abs(each) for each in changes], kind="stable").tolist():
            yield number, [changes[number], *by_example[number]]


def _changes(values: tuple[Any, ...]) -> float:
    first, last = values[0], values[-1]
    if isinstance(first, float):
        return float(last - first)
    changes: int = sum(one != other for one, other in itertools.pairwise(values))
    return changes
