"""Callbacks that would log to one artifact, without having been told to."""

import warnings
import weakref
from typing import Any

import wandb

__all__ = ["await_fit", "begin_fit"]

_waiting: "weakref.WeakKeyDictionary[wandb.Run, weakref.WeakSet[Any]]" = weakref.WeakKeyDictionary()
_warned: "weakref.WeakSet[wandb.Run]" = weakref.WeakSet()


def await_fit(callback: Any, run: wandb.Run) -> None:
    """Notes that a callback, new and without a name for its artifact, waits for its `fit`.

    Where another one does, they are meant for the same `fit`: this warns, once for each run.
    """
    others = _waiting.setdefault(run, weakref.WeakSet())
    if others and run not in _warned:
        _warned.add(run)
        warnings.warn(
            f"Two WandbModelCheckpoint of run {run.id!r} log to the same artifact: their versions "
            "and aliases mix. Give one of them a name of its own with `artifact=`.",
            stacklevel=3,
        )
    others.add(callback)


def begin_fit(callback: Any, run: wandb.Run) -> None:
    """Notes that the `fit` of a callback has begun."""
    _waiting.get(run, weakref.WeakSet()).discard(callback)
