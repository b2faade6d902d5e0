"""How each example's prediction moved over the epochs."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np


class Moves:
    """Remembers one value of each example and epoch: a predicted label, an error, an overlap."""

    def __init__(self) -> None:
        self._epochs: list[int] = []
        self._standings: list[list[Any]] = []

    def __len__(self) -> int:
        return len(self._epochs)

    def take(self, epoch: int, standings: list[Any]) -> None:
        """Takes the values of an epoch."""
        self._epochs.append(epoch)
        self._standings.append(standings)

    def columns(self) -> list[str]:
        """Returns the names of the columns: how far it moved, and a value for each epoch."""
        return ["moved", *(f"epoch {epoch}" for epoch in self._epochs)]

    def rows(self) -> Iterator[tuple[int, list[Any]]]:
        """Yields the number and the cells of each example, those that moved most first.

        Of a label `moved` counts the changes; of a number it is the last value less the first.
        """
        by_example = list(zip(*self._standings, strict=True))
        moved = [_moved(values) for values in by_example]
        for number in np.argsort([-abs(each) for each in moved], kind="stable").tolist():
            yield number, [moved[number], *by_example[number]]


def _moved(values: tuple[Any, ...]) -> float:
    first, last = values[0], values[-1]
    if isinstance(first, float):
        return float(last - first)
    changes: int = sum(one != other for one, other in itertools.pairwise(values))
    return changes
