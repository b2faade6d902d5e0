"""Keras' logs as numbers, which is what W&B can draw."""

import warnings
from collections.abc import Mapping
from typing import Any, SupportsFloat

from wk_core.data.arrays import as_array

__all__: list[str] = []  # for the callbacks of wk


def as_number(value: Any) -> int | float | None:
    """Returns the Python number of a number, or of an array or tensor with one element.

    NaN and infinities are numbers; text never is.

    Args:
        value: A value of Keras' logs, of any backend and precision.

    Returns:
        The number; None for anything else.
    """
    if isinstance(value, (int, float)):
        return value
    if not hasattr(value, "dtype"):  # such as `Decimal` and `Fraction`
        return float(value) if isinstance(value, SupportsFloat) else None
    array = as_array(value)
    if array.size != 1 or array.dtype.kind not in "biuf":
        return None
    number: int | float = array.item()
    return number


def numbers_in(logs: Mapping[str, Any]) -> dict[str, int | float]:
    """Returns the entries of Keras' logs that are numbers."""
    numbers = {name: as_number(value) for name, value in logs.items()}
    return {name: number for name, number in numbers.items() if number is not None}


class NumberFilter:
    """Keeps the numbers of Keras' logs, and warns once about each other entry.

    Args:
        callback_name: The callback's class, for the warning.
    """

    def __init__(self, callback_name: str) -> None:
        self._callback_name = callback_name
        self._warned: set[str] = set()

    def __call__(self, logs: Mapping[str, Any]) -> dict[str, int | float]:
        """Returns the numbers, under their names."""
        numbers = {}
        for name, value in logs.items():
            number = as_number(value)
            if number is not None:
                numbers[name] = number
            elif name not in self._warned:
                self._warned.add(name)
                warnings.warn(
                    f"{self._callback_name} logs numbers; it leaves out {name!r}, which is "
                    f"{_describe(value)}.",
                    stacklevel=2,
                )
        return numbers


def _describe(value: Any) -> str:
    shape = getattr(value, "shape", None)
    kind = type(value).__name__
    return f"of type {kind}" if shape is None else f"of type {kind} and shape {tuple(shape)}"
