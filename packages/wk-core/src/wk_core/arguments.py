"""Checks of arguments. Each error says what is wrong, what is accepted and what was received."""

import numbers
from collections.abc import Collection
from typing import Any, TypeVar

__all__ = ["check_choice", "check_positive_number", "check_whole_number", "is_whole_number"]

Word = TypeVar("Word", bound=str)


def is_whole_number(value: Any) -> bool:
    """Returns whether a value is an integer of Python or NumPy. A boolean is none."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def check_whole_number(
    value: Any, name: str, *, of: str = "", least: int = 1, or_else: str = ""
) -> int:
    """Returns a whole number as an `int`.

    Args:
        value: The argument's value.
        name: The argument's name.
        of: The unit, as `"epochs"`. Defaults to none.
        least: The smallest number that is accepted. Defaults to 1.
        or_else: What the caller accepts besides, for the error, as `"None for all"`.

    Raises:
        ValueError: If it is not a whole number, or less than `least`.
    """
    if is_whole_number(value) and value >= least:
        return int(value)
    unit = f" of {of}" if of else ""
    raise _error(value, name, f"a whole number{unit}, {least} or more", or_else)


def check_positive_number(value: Any, name: str, *, of: str) -> float:
    """Returns a number above 0 as a `float`.

    Args:
        value: The argument's value.
        name: The argument's name.
        of: The unit, as `"seconds"`.

    Raises:
        ValueError: If it is not a number, or not above 0.
    """
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if is_number and value > 0:
        return float(value)
    raise _error(value, name, f"a positive number of {of}")


def check_choice(value: Any, name: str, accepted: Collection[Word], *, or_else: str = "") -> Word:
    """Returns one of several words.

    Args:
        value: The argument's value.
        name: The argument's name.
        accepted: The words, two or more.
        or_else: What the caller accepts besides, for the error, as `"None to infer it"`.

    Raises:
        ValueError: If it is something else.
    """
    if isinstance(value, str):
        for word in accepted:
            if value == word:
                return word
    *words, last = map(repr, accepted)
    raise _error(value, name, f"{', '.join(words)} or {last}", or_else)


def _error(value: Any, name: str, accepted: str, or_else: str = "") -> ValueError:
    besides = f", or {or_else}" if or_else else ""
    return ValueError(f"`{name}` must be {accepted}{besides}. Received: {name}={value!r}")
