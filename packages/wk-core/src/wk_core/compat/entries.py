"""The entries of `compat`: which private part of others each function stands on, and why."""

import contextlib
import functools
import importlib
import importlib.metadata
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import wandb

__all__ = ["ENTRIES", "Entry", "find", "load_entries", "say_missing", "stands_on"]

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Entry:
    """What one function stands on that its owner may change at any time.

    Attributes:
        function: The function, with its module.
        parts: The private parts: a path that can be imported, as
            `wandb.sdk.wandb_run.TeardownHook`, or an attribute of a sample object, as
            `run._teardown_hooks`.
        why: Which public way is missing.
        versions: In which versions the parts are known to be there.
        without: What wk does where one is missing.
        report: Where it is, or should be, reported.
    """

    function: str
    parts: tuple[str, ...]
    why: str
    versions: str
    without: str
    report: str


ENTRIES: Final[dict[str, Entry]] = {}
"""The entries by function, in the order of their definition."""


def stands_on(
    *parts: str, why: str, versions: str, without: str, report: str = "not reported yet"
) -> Callable[[Function], Function]:
    """Records what a function stands on; the arguments are the fields of an `Entry`."""

    def record(function: Function) -> Function:
        name = _full_name(function)
        ENTRIES[name] = Entry(name, parts, why, versions, without, report)
        return function

    return record


def load_entries() -> dict[str, Entry]:
    """Returns the entries of all modules below `wk_core.compat`, which are imported for it.

    Those of Keras 2 are left out: they cannot be imported beside Keras 3, and have no entries.
    """
    folder = Path(__file__).parent
    for path in sorted(folder.rglob("[!_]*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        if "v2" not in parts:
            importlib.import_module(".".join([__package__, *parts]))
    return ENTRIES


def find(path: str) -> Any:
    """Returns what an import path names, as `keras.src.saving.saving_lib`; None where it is gone.

    Args:
        path: A module, or an attribute of one.
    """
    module, _, attribute = path.rpartition(".")
    try:
        # Asked for each object of each checkpoint: no import where a look-up does.
        owner = sys.modules.get(module) or importlib.import_module(module)
        if hasattr(owner, attribute):
            return getattr(owner, attribute)
        return importlib.import_module(path)
    except ImportError:
        return None


def say_missing(function: Callable[..., Any]) -> None:
    """Says once that this version of its owner lacks what an entry stands on, and what is lost."""
    with _saying:  # several threads may find it at once
        _say_missing(_full_name(function))


_saying: Final = threading.RLock()


@functools.cache
def _say_missing(name: str) -> None:
    entry = ENTRIES[name]
    owner = entry.versions.partition(" ")[0]
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        owner += f" {importlib.metadata.version(owner)}"
    wandb.termwarn(
        f"wk: {owner} lacks what `{name}` stands on ({entry.versions} have it): {entry.without}."
    )


def _full_name(function: Callable[..., Any]) -> str:
    function = getattr(function, "__wrapped__", function)
    return f"{function.__module__}.{function.__qualname__}"
