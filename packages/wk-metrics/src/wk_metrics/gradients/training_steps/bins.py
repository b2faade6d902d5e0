"""Fixed bins of sign and exponent, so that counts of steps and of processes add up."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import wandb

LOWEST: Final = -36
EXPONENTS: Final = 48
BINS: Final = 2 * EXPONENTS + 1
"""Negative values by falling exponent, values too small for the others, positive by rising."""

SAMPLE: Final = 16_384
"""How many values of a weight are counted at most."""

_SIZES: Final = 2.0 ** np.arange(LOWEST, LOWEST + EXPONENTS + 1)
_EDGES: Final = np.concatenate([-_SIZES[::-1], _SIZES])


def sampled(values: Any) -> Any:
    """Returns at most `SAMPLE` of a flat tensor's values, as far apart as an odd number.

    Sizes of layers are even, mostly: an even distance would meet the same units again and again.
    """
    size = values.shape[0]
    return values if size <= SAMPLE else values[:: -(-size // SAMPLE) | 1]


def histogram(counts: npt.NDArray[Any], least: float, largest: float) -> wandb.Histogram:
    """Returns the histogram of values that were counted in the fixed bins.

    Empty bins at both ends are left out. The outermost edges reach as far as the values.

    Args:
        counts: The number of values in each bin, shape `(BINS,)`. The first and the last bin also
            count what is beyond their edges.
        least: The least of the values.
        largest: The largest of the values.
    """
    filled = np.flatnonzero(counts)
    first, last = (filled[0], filled[-1]) if len(filled) else (EXPONENTS, EXPONENTS)
    edges = _EDGES[first : last + 2].copy()
    edges[0] = min(edges[0], least) if np.isfinite(least) else edges[0]
    edges[-1] = max(edges[-1], largest) if np.isfinite(largest) else edges[-1]
    return wandb.Histogram(np_histogram=(counts[first : last + 1], edges))
