"""The ways in which the process of a training ends by an error."""

from collections.abc import Iterable
from typing import Any

import pytest

from wk_core.compat.keras.flavour import backend

__all__ = ["interruptions"]


def interruptions(endings: Iterable[str]) -> list[Any]:
    """Returns parameters `(ending, error, its_backend)` for a test that starts a process.

    One of them is for the suite's backend. However a process ends otherwise is looked at once, on
    the backend that is imported soonest.

    Args:
        endings: How a process may end; "process" is one of them.
    """
    common = ("process", "KeyboardInterrupt")
    others = [
        pytest.param(ending, error, "jax", marks=pytest.mark.backend_free)
        for ending in endings
        for error in ("RuntimeError", "KeyboardInterrupt")
        if (ending, error) != common
    ]
    return [(*common, backend()), *others]
