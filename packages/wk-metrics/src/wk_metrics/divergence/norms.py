"""The norms of one step, and what is usual of them."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

# From so many norms on, the reference is the largest of an earlier part of them; before, the first.
ENOUGH: Final = 16

_MEMORY: Final = 50  # how many norms the running spread reaches back
_FIRST_SPREAD: Final = 0.5  # of logarithms, until a weight has shown its own
_LARGEST_CHANGE: Final = (
    3.0  # in spreads: what is beyond counts as that, so that no fault widens it
)


@dataclass(frozen=True)
class StepNorms:
    """The norms of all weights of an optimizer in one step.

    Attributes:
        step: The number of the batch.
        gradients: The norm of each weight's gradient: NaN or infinite if a value is.
        weights: The norm of each weight before the step's update.
        skipped: Whether loss scaling skipped the update, since a gradient overflowed.
    """

    step: int
    gradients: Vector
    weights: Vector
    skipped: bool = False


class UsualNorms:
    """The usual norm of each of several weights, in logarithms: its largest, and its spread.

    The largest is that of an earlier part of the training, at most the first half: what grows
    step by step does not become usual by growing. The spread is the running mean of the change from
    one norm to the next. Norms of 0 say nothing and do not count.

    Args:
        floor: For each weight, the logarithm of a norm below which nothing counts as large.

    Attributes:
        counts: For each weight, the number of its norms so far.
        spread: For each weight, the mean change of its logarithm from one norm to the next.
    """

    def __init__(self, floor: Vector) -> None:
        none = np.full_like(floor, -np.inf)
        self.counts = np.zeros(len(floor), int)
        self.spread = np.full_like(floor, _FIRST_SPREAD)
        self._floor = floor
        self._last, self._top = none, none
        self._newer_top, self._older_top, self._oldest_top = none, none, none

    def add(self, logs: Vector) -> None:
        """Adds the logarithm of each weight's norm; all are finite, or that of 0."""
        seen = logs > -np.inf
        self.counts = self.counts + seen
        with np.errstate(invalid="ignore"):
            change = np.abs(logs - self._last)
        np.minimum(change, _LARGEST_CHANGE * np.maximum(self.spread, 0.1), out=change)
        share = 1 / np.minimum(self.counts + 3, _MEMORY)  # the first spread counts as three changes
        step = share * (change - self.spread)
        self.spread = self.spread + np.where(seen & (self.counts > 1), step, 0.0)
        self._last = np.where(seen, logs, self._last)
        self._top = np.maximum(self._top, logs)
        doubled = seen & (self.counts & (self.counts - 1) == 0)
        if doubled.any():
            self._renew(doubled)

    def _renew(self, doubled: NDArray[np.bool_]) -> None:
        """Moves the references of weights whose number of norms has doubled."""
        first = doubled & (self.counts == 1)
        later = doubled & (self.counts >= ENOUGH)
        self._oldest_top = np.where(later, self._older_top, self._oldest_top)
        self._older_top = np.where(later, self._newer_top, self._older_top)
        self._newer_top = np.where(
            doubled & (self.counts >= ENOUGH // 2), self._top, self._newer_top
        )
        self._oldest_top = np.where(first, self._top, self._oldest_top)
        self._older_top = np.where(first, self._top, self._older_top)

    @property
    def largest(self) -> Vector:
        """The largest norm of each weight that was usual before a slow explosion, too."""
        return np.exp(self._oldest_top)

    def excess(self, logs: Vector, *, spreads: float) -> Vector:
        """Returns by how much norms exceed the largest usual ones and so many spreads.

        It is infinite where the logarithm is, and negative for a weight without an earlier norm.
        """
        return self._over(self._older_top, logs, spreads)

    def excess_over_oldest(self, logs: Vector, *, spreads: float) -> Vector:
        """Returns `excess` over what was usual earlier still, before an explosion that is slow."""
        return self._over(self._oldest_top, logs, spreads)

    def has_reached(self, logs: Vector) -> NDArray[np.bool_]:
        """Returns for each weight whether its norm is as large as the largest usual one."""
        return logs >= self._older_top

    def _over(self, top: Vector, logs: Vector, spreads: float) -> Vector:
        limit = np.maximum(top, self._floor) + spreads * self.spread
        return np.where(self.counts > 0, logs - limit, -np.inf)
