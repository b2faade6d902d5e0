"""What is taken of the gradients of a training's steps."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from wk_core.data.arrays import as_array

ABSENT: Final = -1.0
"""Stands for the norm of a gradient that a weight did not get."""


@dataclass(frozen=True)
class Detail:
    """What is taken besides the norms of the gradients.

    Attributes:
        weight_norms: The norms of the weights before the update.
        accumulated: The norms of the mean gradients with which an optimizer that accumulates them
            updates the weights, and how many steps are left until it does.
        full: Of the last update: histograms, extremes, values that are not finite, and how far the
            update moves each weight. Those of the mean gradients if these are taken.
    """

    weight_norms: bool = False
    accumulated: bool = False
    full: bool = False

    def __or__(self, other: "Detail") -> "Detail":
        return Detail(
            self.weight_norms or other.weight_norms,
            self.accumulated or other.accumulated,
            self.full or other.full,
        )

    def columns(self, width: int) -> int:
        """Returns how many numbers are taken of an update of so many weights.

        A one, which tells it from none; the norms of gradients; the norms of weights; the steps
        left, and the norms of mean gradients.
        """
        return 1 + width * (2 if self.weight_norms else 1) + (self.accumulated * (1 + width))


@dataclass(frozen=True)
class Watched:
    """The optimizer whose updates are looked at.

    Attributes:
        place: Where the model has it, as `wk_core.compat.keras.optimizers.find_optimizers` says.
        weights: Its weights, in the order of all arrays.
        skips: Whether it skips an update whose gradients are not finite, as loss scaling does.
        accumulation_steps: Over how many steps it accumulates gradients; 1 if it does not.
    """

    place: str
    weights: list[Any]
    skips: bool
    accumulation_steps: int


class Updates:
    """The updates of one optimizer in one call of the train function.

    The arrays are read from the device at first use, which waits for it.

    Args:
        watched: The optimizer.
        detail: What was taken.
        tensors: `steps`, and `extremes`, `counts` and `moved` if the detail is full.
    """

    def __init__(self, watched: Watched, detail: Detail, tensors: dict[str, Any]) -> None:
        self.watched = watched
        self.detail = detail
        self._tensors = tensors

    @cached_property
    def _steps(self) -> npt.NDArray[np.float64]:
        rows = as_array(self._tensors["steps"]).astype(np.float64)
        return rows[rows[:, 0] > 0.0, 1:]

    @cached_property
    def of_means(self) -> "MeanUpdates":
        """Those of the mean gradients with which an optimizer that accumulates moves weights."""
        return MeanUpdates(self.watched, self.detail, self._tensors)

    @property
    def norms(self) -> npt.NDArray[np.float64]:
        """The norms of the gradients, shape (updates, weights); `ABSENT` where there was none.

        They are those before clipping, with the scale of the loss undone. A norm is NaN or infinite
        if a value is; squares are summed in 32 bits, so norms above 1e19 are infinite, too.
        """
        return self._steps[:, : len(self.watched.weights)]

    @property
    def weight_norms(self) -> npt.NDArray[np.float64]:
        """The norms of the weights before the update, shape (updates, weights)."""
        width = len(self.watched.weights)
        return self._steps[:, width : 2 * width]

    @cached_property
    def global_norms(self) -> npt.NDArray[np.float64]:
        """The norm of all gradients of each update, shape (updates,)."""
        return _together(self.norms)

    @property
    def steps(self) -> int:
        """How many steps applied the optimizer."""
        return len(self._steps)

    @property
    def steps_not_finite(self) -> int:
        """How many steps had gradients that are not all finite."""
        return int((~np.isfinite(self.global_norms)).sum())

    @property
    def has_full_look(self) -> bool:
        """Whether the last of the updates was looked at in full."""
        return self.detail.full and not self.detail.accumulated and len(self._steps) > 0

    @cached_property
    def extremes(self) -> npt.NDArray[np.float64]:
        """The least and largest finite value and the number of others, shape (weights, 3)."""
        return as_array(self._tensors["extremes"]).astype(np.float64)

    @cached_property
    def counts(self) -> npt.NDArray[np.float64]:
        """Counts in fixed bins of at most `bins.SAMPLE` values, shape (weights, `bins.BINS`)."""
        return as_array(self._tensors["counts"]).astype(np.float64)

    @cached_property
    def ratios(self) -> npt.NDArray[np.float64]:
        """How far the update moved each weight, over the weight's norm, shape (weights,).

        NaN for a weight whose norm was 0.
        """
        moved, norms = as_array(self._tensors["moved"]).astype(np.float64).T
        ratios: npt.NDArray[np.float64] = np.full_like(moved, np.nan)
        np.divide(moved, norms, out=ratios, where=norms > 0.0)
        return ratios


class MeanUpdates(Updates):
    """The updates that an optimizer makes of gradients that it has accumulated.

    There are fewer than steps: none in some calls of the train function.
    """

    @cached_property
    def norms(self) -> npt.NDArray[np.float64]:
        """The norms of the mean gradients, as `Updates` has them."""
        return self._steps[self._moves, -len(self.watched.weights) :]

    @property
    def steps_not_finite(self) -> int:
        """How many steps had gradients that are not all finite."""
        return int((~self._are_finite).sum())

    @property
    def has_full_look(self) -> bool:
        """Whether the last step was looked at in full, and moved the weights."""
        return self.detail.full and len(self._moves) > 0 and bool(self._moves[-1])

    def move_after(self, steps: int) -> bool:
        """Returns whether the last of so many more steps will move the weights."""
        if not len(self._left):
            return False
        done = steps if self._are_finite[-1] or not self.watched.skips else steps - 1
        return int(self._left[-1] - done) % self.watched.accumulation_steps == 0

    @property
    def _left(self) -> npt.NDArray[np.float64]:
        """How many steps after each step the weights are moved, shape (steps,)."""
        return self._steps[:, -len(self.watched.weights) - 1]

    @cached_property
    def _are_finite(self) -> npt.NDArray[np.bool_]:
        return np.isfinite(_together(self._steps[:, : len(self.watched.weights)]))

    @property
    def _moves(self) -> npt.NDArray[np.bool_]:
        """Whether each step moved the weights, shape (steps,)."""
        moves: npt.NDArray[np.bool_] = self._left == 0.0
        if self.watched.skips:
            moves &= self._are_finite
        return moves


def _together(norms: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Returns the norm of all gradients of each update from those of its weights."""
    with np.errstate(invalid="ignore", over="ignore"):
        squares = np.square(np.where(norms == ABSENT, 0.0, norms))
        together: npt.NDArray[np.float64] = np.sqrt(squares.sum(axis=1))
    return together


@dataclass(frozen=True)
class Record:
    """What is known of one call of the train function.

    Attributes:
        first: The number of its first batch within the epoch.
        updates: Those of each optimizer that was applied.
    """

    first: int
    updates: list[Updates]
