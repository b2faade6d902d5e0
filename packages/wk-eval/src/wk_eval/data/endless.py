"""Data that have no end, told before anything goes through them."""

import itertools
from typing import Any, Final

from wk_core.keras import LEGACY, PyDataset

# What `tf.data` says of a dataset without end, and of one of which it cannot tell.
_INFINITE: Final = -1
_UNKNOWN: Final = -2


def is_endless(data: Any) -> bool:
    """Tells whether data are known to have no end; of a generator nothing is known."""
    if isinstance(data, (itertools.count, itertools.cycle)):
        return True
    if isinstance(data, itertools.repeat):
        return not _has_length(data)
    if isinstance(data, PyDataset):
        return not LEGACY and data.num_batches is None
    return _is_endless_dataset(data)


def knows_its_end(data: Any) -> bool:
    """Tells whether data say how many batches they have."""
    if callable(getattr(data, "cardinality", None)):
        return int(data.cardinality()) >= 0
    return isinstance(data, PyDataset) or _has_length(data)


def _has_length(data: Any) -> bool:
    try:
        len(data)
    except TypeError:  # also of a `DataLoader` whose dataset has none
        return False
    return True


def _is_endless_dataset(data: Any) -> bool:
    """Tells of a `tf.data.Dataset`, for which a filter makes even an endless one unknown."""
    cardinality = getattr(data, "cardinality", None)
    if not callable(cardinality):
        return False
    known = int(cardinality())
    sources = data._inputs() if known == _UNKNOWN and hasattr(data, "_inputs") else []
    may_stop = "TakeWhile" in type(data).__name__
    return known == _INFINITE or (
        len(sources) == 1 and not may_stop and _is_endless_dataset(sources[0])
    )
