"""Checks of arguments, before anything is logged."""

from typing import Any


def checked_every(every: Any) -> int:
    """Returns a number of epochs; raises ValueError for anything else."""
    if isinstance(every, bool) or not isinstance(every, int) or every < 1:
        raise ValueError(
            f"`every` must be a whole number of epochs, 1 or more. Received: every={every!r}"
        )
    return every


def checked_columns(argument: str, columns: Any) -> list[str]:
    """Returns names of columns; raises ValueError if they are not text, or not all different."""
    names: list[Any] = list(columns) if isinstance(columns, (list, tuple)) else [None]
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise ValueError(
            f"`{argument}` must be a list of different names. Received: {argument}={columns!r}"
        )
    return names


def checked_aliases(aliases: Any) -> tuple[str, ...]:
    """Returns aliases; raises ValueError if they are not names."""
    names = tuple(aliases) if isinstance(aliases, (list, tuple, set, frozenset)) else (None,)
    if not all(isinstance(name, str) and name for name in names):
        raise ValueError(f"`aliases` must be a list of names. Received: aliases={aliases!r}")
    return names


def check_count(argument: str, value: Any, accepted: str) -> None:
    """Checks a number of examples.

    Args:
        argument: The argument's name, for the error.
        value: What was given.
        accepted: What is accepted, for the error.

    Raises:
        ValueError: If the value is not a whole number, 1 or more.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"`{argument}` must be {accepted}. Received: {argument}={value!r}")
