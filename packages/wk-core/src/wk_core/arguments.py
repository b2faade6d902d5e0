"""Checks of arguments: what is wrong, what is accepted, what was received."""

from typing import Any

import numpy as np

__all__ = ["check_whole_number", "is_whole_number"]


def is_whole_number(value: Any) -> bool:
    """Returns whether a value is an `int`, or NumPy's; True and False are none."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_))


def check_whole_number(value: Any, name: str, *, least: int = 1, or_else: str = "") -> int:
    """Returns a whole number that is not too small.

    Args:
        value: What was received.
        name: The argument's name.
        least: The smallest number that is accepted. Defaults to 1.
        or_else: What else is accepted, for the error, as `"None for all"`.

    Raises:
        ValueError: If it is something else.
    """
    if is_whole_number(value) and value >= least:
        return int(value)
    accepted = f"a whole number of at least {least}{f', or {or_else}' if or_else else ''}"
    raise ValueError(f"`{name}` must be {accepted}. Received: {name}={value!r}")
