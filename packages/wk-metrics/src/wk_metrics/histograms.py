"""Histograms of arrays that may hold NaN, infinities and values of any size."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import wandb

_BINS: Final = 64
# Outside these sizes, or in a relatively narrower range, 32 bits are too few for the edges of bins
# and for squares.
_LARGE: Final = 1e15
_SMALL: Final = 1e-15
_NARROW: Final = 1e-4


class Distribution:
    """How the values of an array are distributed.

    The histogram counts the finite values in 64 bins between the lowest and the highest of them, as
    `numpy.histogram` does. It is empty if no value is finite.

    Args:
        values: Numbers in an array of any shape and precision.

    Attributes:
        histogram: The histogram.
        non_finite: The number of values that are NaN or infinite.
        norm: The square root of the sum of the squares of all values; NaN or infinite if a value
            is.

    Example:
        ```python
        import numpy as np
        from wk_metrics.histograms import Distribution

        distribution = Distribution(np.array([3.0, 4.0]))
        assert sum(distribution.histogram.histogram) == 2
        assert distribution.norm == 5.0
        ```
    """

    def __init__(self, values: npt.NDArray[Any]) -> None:
        flat = _as_floats(np.ravel(values))
        least, largest = _range(flat)
        self.non_finite = 0
        finite = flat
        if not (np.isfinite(least) and np.isfinite(largest)):
            finite = flat[np.isfinite(flat)]
            self.non_finite = flat.size - finite.size
            least, largest = _range(finite)
        reach = max(abs(least), abs(largest))
        if not _SMALL < reach < _LARGE or largest - least < _NARROW * reach:
            flat, finite = flat.astype(np.float64), finite.astype(np.float64)
        self.norm = _norm(finite, reach) if not self.non_finite else float(_sum_of_odd(flat))
        self.histogram = wandb.Histogram(np_histogram=_histogram(finite, least, largest))

    def entries(self, key: str) -> dict[str, Any]:
        """Returns a row's entries: the histogram, and how many values it leaves out, if any."""
        row: dict[str, Any] = {key: self.histogram}
        if self.non_finite:
            row[f"{key}.non_finite"] = self.non_finite
        return row


def _as_floats(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if values.dtype in (np.float32, np.float64):
        return values
    # Integers may need more digits than 32 bits hold; float16 and bfloat16 need fewer.
    return values.astype(np.float64 if values.dtype.kind in "iub" else np.float32)


def _range(values: npt.NDArray[Any]) -> tuple[float, float]:
    return (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)


def _norm(values: npt.NDArray[Any], reach: float) -> float:
    """Returns the norm of finite values, scaled by `reach`, the largest absolute value."""
    if reach == 0.0:
        return 0.0
    if _SMALL < reach < _LARGE:
        return float(np.sqrt(np.dot(values, values)))
    values = values / reach
    return float(reach * np.sqrt(np.dot(values, values)))


def _sum_of_odd(values: npt.NDArray[Any]) -> Any:
    return np.abs(values[~np.isfinite(values)]).sum()


def _histogram(
    values: npt.NDArray[Any], least: float, largest: float
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    if not values.size:
        return np.histogram(values, _BINS)
    reach = max(abs(least), abs(largest))
    if largest - least <= 1e-13 * reach:  # too narrow for 64 edges even in 64 bits
        middle, half = least, max(0.5, 1e-9 * reach)
        least, largest = middle - half, middle + half
    # The edges have the precision of the values, as when NumPy finds the range itself.
    precise = values.dtype.type
    return np.histogram(values, _BINS, (precise(least), precise(largest)))
