"""The names of classes."""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

import numpy as np

from wk_core.data.arrays import as_array, is_tensor

Labels: TypeAlias = Collection[Any] | Mapping[int, Any]
"""The names of classes: a sequence in the order of the classes, or by number."""


def class_names(labels: Any, count: int | None = None, *, what: str = "classes") -> list[str]:
    """Returns a name for each class: its number, if no names are given.

    Args:
        labels: The names in the order of the classes, as a list, an array, a `range` or another
            sequence; or a dictionary of names by number, or of numbers by name. Other values become
            text. None for no names.
        count: The number of classes. Defaults to the number of names.
        what: What is named, for the error.

    Raises:
        ValueError: If the labels are not as above, if two are the same, or if their number is not
            the number of classes.
    """
    if labels is None:
        return [str(number) for number in range(count or 0)]
    names = _listed(labels)
    wanted = f"the {count} {what}" if count is not None else f"the {what}"
    received = f"labels={labels!r:.300}"
    if names is None or not names or count not in (None, len(names)):
        raise ValueError(
            f"`labels` must have a different name for each of {wanted}, in a list, an array or by "
            f"number. Received: {received}"
        )
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise ValueError(
            f"`labels` must have a different name for each of {wanted}. Received: "
            f"{', '.join(map(repr, twice[:5]))} more than once, in {received}"
        )
    return names


def _listed(labels: Any) -> list[str] | None:
    """Returns the names in the order of the classes; None if they have no order."""
    if isinstance(labels, Mapping):
        by_number = {_number(key): name for key, name in labels.items()}
        if all(isinstance(key, str) for key in by_number):  # Keras' `class_indices`
            by_number = {_number(number): name for name, number in labels.items()}
        numbers = range(len(labels))
        return [_text(by_number[each]) for each in numbers] if {*by_number} == {*numbers} else None
    if isinstance(labels, (str, bytes, set, frozenset)) or not hasattr(labels, "__len__"):
        return None
    if is_tensor(labels):
        array = as_array(labels)
        return [_text(each) for each in array.tolist()] if array.ndim == 1 else None
    return [_text(each) for each in labels]


def _number(key: Any) -> Any:
    """Returns a class number as an int: from one of NumPy's, or from text, as JSON has it."""
    if isinstance(key, str) and key.isdecimal():
        return int(key)
    return int(key) if isinstance(key, np.integer) else key


def _text(name: Any) -> str:
    """Returns a name as text; a tensor of one value by its value, bytes as UTF-8."""
    if is_tensor(name):
        name = as_array(name)[()]
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)
