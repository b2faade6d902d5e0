"""Random numbers, and scopes of variables, on Keras 2."""

import contextlib
from collections.abc import Iterator
from typing import Any

__all__ = [
    "global_seed_generator",
    "stand_in_for_global_seeds",
    "stateless_scope",
    "without_distribution",
]


def stateless_scope() -> Any:
    """Returns an empty scope: Keras 2 has no such scope."""
    return contextlib.nullcontext()


@contextlib.contextmanager
def without_distribution() -> Iterator[None]:
    """Does nothing: Keras 2 has no distribution."""
    yield


def global_seed_generator(*, create: bool = False) -> Any:  # noqa: ARG001  Keras 3 can make one
    """Returns None: Keras 2 has no such generator."""
    return None


@contextlib.contextmanager
def stand_in_for_global_seeds() -> Iterator[None]:
    """Does nothing: Keras 2 has no such generator."""
    yield
