"""The names of classes."""

from collections.abc import Mapping, Sequence
from typing import Any

Labels = Sequence[str] | Mapping[int, str]


def class_names(labels: Any, count: int) -> list[str]:
    """Returns a name for each class, its number where none was given.

    Args:
        labels: The names in the order of the classes, or by number; None for none.
        count: How many classes there are.

    Raises:
        ValueError: If the labels are not as above, or if they do not fit the number of classes.
    """
    if labels is None:
        return [str(number) for number in range(count)]
    if isinstance(labels, Mapping):
        names = [labels.get(number) for number in range(count)]
        fits = len(labels) == count
    else:
        names = list(labels) if isinstance(labels, (list, tuple)) else []
        fits = len(names) == count
    if not fits or not all(isinstance(name, str) for name in names) or len(set(names)) < count:
        raise ValueError(
            f"`labels` must have a different name for each of the {count} classes that the model "
            f"puts out, in a list or by number. Received: labels={labels!r}"
        )
    return [str(name) for name in names]
