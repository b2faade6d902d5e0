"""One array, or several: nested dictionaries, tuples and lists of arrays.

Keras' `tree` takes each number of a list for a leaf. Data of users may have a list of numbers where
an array is meant. So a list here is several arrays only if it contains arrays of one axis or more,
or dictionaries or lists of them; otherwise it is one array. A tuple is always several arrays, and
dictionaries keep their order.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

import numpy.typing as npt

from wk_core.data.arrays import is_tensor

__all__ = ["Arrays", "leaves", "map_arrays", "with_tuples"]

Arrays: TypeAlias = npt.NDArray[Any] | dict[str, Any] | tuple[Any, ...]
"""An array, or several by name or by position; the examples lie along the first axis of each."""

# Checked first, since a list may hold a million of them.
_NUMBERS_AND_TEXT: Final = (int, float, str, bytes)


def map_arrays(function: Callable[[Any], Any], arrays: Any) -> Any:
    """Returns nested arrays with a function applied to each array, or None in place of one."""
    if isinstance(arrays, Mapping):
        return {name: map_arrays(function, each) for name, each in arrays.items()}
    if isinstance(arrays, tuple):
        return tuple(map_arrays(function, each) for each in arrays)
    if _is_nest(arrays):
        return [map_arrays(function, each) for each in arrays]
    return function(arrays)


def leaves(arrays: Any) -> Iterator[Any]:
    """Yields the arrays of a nested structure, and each None in place of one."""
    if isinstance(arrays, Mapping):
        arrays = tuple(arrays.values())
    if isinstance(arrays, tuple) or _is_nest(arrays):
        for each in arrays:
            yield from leaves(each)
    else:
        yield arrays


def with_tuples(arrays: Any) -> Any:
    """Returns nested arrays with tuples for lists, as `Arrays` has them."""
    if isinstance(arrays, Mapping):
        return {name: with_tuples(each) for name, each in arrays.items()}
    if _is_nest(arrays):
        return tuple(with_tuples(each) for each in arrays)
    return arrays


def _is_nest(arrays: Any) -> bool:
    """Returns whether a list or a tuple holds arrays, instead of being one."""
    return isinstance(arrays, (tuple, list)) and any(map(_is_or_holds_array, arrays))


def _is_or_holds_array(value: Any) -> bool:
    if isinstance(value, _NUMBERS_AND_TEXT):
        return False
    has_axes = is_tensor(value) and len(value.shape) > 0
    return has_axes or isinstance(value, Mapping) or _is_nest(value)
