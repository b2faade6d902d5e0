"""What of Keras' logs W&B can draw: numbers."""

import warnings
from collections.abc import Mapping
from typing import Any

from wk_core.keras import LEGACY, keras

__all__: list[str] = []  # for the callbacks of wk


def as_number(value: Any) -> int | float | None:
    """Returns a Python number for a number, an array or a tensor of one element; else None.

    NaN and infinities are numbers.
    """
    if isinstance(value, (int, float)):
        return value
    if not LEGACY and keras.ops.is_tensor(value):
        value = keras.ops.convert_to_numpy(value)
    elif hasattr(value, "numpy"):
        value = value.numpy()
    if getattr(value, "size", 0) != 1 or value.dtype.kind not in "biuf":
        return None
    number: int | float = value.item()
    return number


class NumberFilter:
    """Keeps the numbers of a `logs` dictionary and says once, by name, what it leaves out.

    Args:
        callback_name: The callback's class, for what is said.
    """

    def __init__(self, callback_name: str) -> None:
        self._callback_name = callback_name
        self._told: set[str] = set()

    def __call__(self, logs: Mapping[str, Any]) -> dict[str, int | float]:
        """Returns the numbers, under their names."""
        numbers = {}
        for name, value in logs.items():
            number = as_number(value)
            if number is not None:
                numbers[name] = number
            elif name not in self._told:
                self._told.add(name)
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
