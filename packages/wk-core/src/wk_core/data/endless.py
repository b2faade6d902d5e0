"""Recognizes endless data before iterating over them."""

import itertools
from typing import Any, Final

from wk_core.compat.keras.flavour import PyDataset, batch_count
from wk_core.compat.tensorflow import sources_of

# The cardinalities of `tf.data` for an endless dataset, and for one of unknown length.
_INFINITE: Final = -1
_UNKNOWN: Final = -2


def is_endless(data: Any) -> bool:
    """Returns whether data are known to be endless. A generator is never known to be."""
    if isinstance(data, (itertools.count, itertools.cycle)):
        return True
    if isinstance(data, itertools.repeat):
        return not _has_length(data)
    if isinstance(data, PyDataset):
        return batch_count(data) is None
    return _is_endless_dataset(data)


def knows_its_end(data: Any) -> bool:
    """Returns whether data know their number of batches."""
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
    """Returns whether a `tf.data.Dataset` is endless, also one of unknown length after a filter."""
    cardinality = getattr(data, "cardinality", None)
    if not callable(cardinality):
        return False
    known = int(cardinality())
    sources = sources_of(data) if known == _UNKNOWN else []
    may_stop = "TakeWhile" in type(data).__name__
    return known == _INFINITE or (
        len(sources) == 1 and not may_stop and _is_endless_dataset(sources[0])
    )
