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
        full: Of the last update: histograms, extremes, values that are not finite, and how far the
            update moves each weight.
    """

    weight_norms: bool = False
    full: bool = False

    def __or__(self, other: "Detail") -> "Detail":
        return Detail(self.weight_norms or other.weight_norms, self.full or other.full)


@dataclass(frozen=True)
class Watched:
    """The optimizer whose updates are looked at.

    Attributes:
        place: Where the model has it, as `wk_core.compat.keras.optimizers.find_optimizers` says.
        weights: Its weights, in the order of all arrays.
        skips: Whether it skips an update whose gradients are not finite, as loss scaling does.
    """

    place: str
    weights: list[Any]
    skips: bool


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
        return self._steps[:, len(self.watched.weights) :]

    @cached_property
    def global_norms(self) -> npt.NDArray[np.float64]:
        """The norm of all gradients of each update, shape (updates,)."""
        given = np.where(self.norms == ABSENT, 0.0, self.norms)
        with np.errstate(invalid="ignore", over="ignore"):
            norms: npt.NDArray[np.float64] = np.sqrt(np.square(given).sum(axis=1))
        return norms

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


@dataclass(frozen=True)
class Record:
    """What is known of one call of the train function.

    Attributes:
        first: The number of its first batch within the epoch.
        updates: Those of each optimizer that was applied.
    """

    first: int
    updates: list[Updates]
