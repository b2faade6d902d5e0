"""Facts that only describe a model: left out where they cannot be had, which is said."""

import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import wandb

__all__ = ["described", "distinct", "few", "in_a_line"]

Fact = TypeVar("Fact")

_LONGEST: int = 300


def described(find: Callable[[], Fact], what: str, name: str) -> Fact | None:
    """Returns a fact about a model; None where it cannot be had, which is said with the reason.

    Models override what Keras asks them for, and hold what Keras does not know: nothing of that
    may end a training for the sake of a description.

    Args:
        find: Finds it out.
        what: What it is, for what is said.
        name: The callback's class, for what is said.

    Example:
        ```python
        from wk_core.description import described

        assert described(lambda: 1, "the number of layers", "MyCallback") == 1
        assert described(lambda: 1 // 0, "the number of layers", "MyCallback") is None
        ```
    """
    try:
        return find()
    except Exception as error:  # a model's own code may raise anything
        wandb.termwarn(f"{name} leaves out {what}: {in_a_line(error)}")
        return None


def in_a_line(error: BaseException) -> str:
    """Returns what an error says, as a sentence; Keras' go on with examples over many lines."""
    text = textwrap.shorten(f"{type(error).__name__}: {error}", _LONGEST, placeholder="...")
    return text if text.endswith(".") else f"{text}."


def distinct(names: Iterable[str]) -> Iterator[str]:
    """Yields names, with a number behind each name that has come before."""
    given: set[str] = set()
    for name in names:
        number, candidate = 0, name
        while candidate in given:
            number += 1
            candidate = f"{name}_{number}"
        given.add(candidate)
        yield candidate


def few(names: Sequence[str], most: int = 5) -> str:
    """Returns the first of several names, and how many more there are."""
    first = ", ".join(names[:most])
    return f"{first} and {len(names) - most} more" if len(names) > most else first
