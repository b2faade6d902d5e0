"""What a callback has to remember from one process of a training to the next.

A callback that implements `KeepsState` says so itself. Keras' own know nothing of it: what they
remember lies in attributes, which their `on_train_begin` resets.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final, Protocol, runtime_checkable

from wk_core.callbacks import after_next
from wk_core.keras import keras

__all__ = ["KeepsState", "put_back", "states_of"]

_ATTRIBUTES: Final[dict[str, tuple[str, ...]]] = {
    "EarlyStopping": ("wait", "stopped_epoch", "best", "best_epoch", "best_weights"),
    "ReduceLROnPlateau": ("wait", "cooldown_counter", "best"),
    "ModelCheckpoint": ("best",),
    "SwapEMAWeights": ("_ema_weights_in_model",),
}


@runtime_checkable
class KeepsState(Protocol):
    """A callback that takes part in resuming a training."""

    def get_training_state(self) -> Mapping[str, Any]:
        """Returns what it has to remember: numbers, strings, NumPy arrays, and nests of them."""

    def set_training_state(self, state: Mapping[str, Any]) -> None:
        """Goes on from a state, in the `fit` that comes next."""


def states_of(callbacks: Iterable[Any]) -> list[dict[str, Any]]:
    """Returns what those callbacks have to remember that remember something."""
    states = []
    for callback in callbacks:
        state = _state_of(callback)
        if state is not None:
            states.append({"callback": type(callback).__name__, "state": state})
    return states


def put_back(callbacks: Iterable[Any], states: Iterable[Mapping[str, Any]]) -> list[str]:
    """Has callbacks go on from their states in the `fit` that comes next.

    A state belongs to the callback of the same class; to the first, the second … of several.

    Returns:
        The names of the classes for whose callbacks there was no state.
    """
    known = {}
    for entry, name in _numbered(states, lambda entry: entry["callback"]):
        known[name] = entry["state"]
    missing = []
    for callback, name in _numbered(callbacks, lambda callback: type(callback).__name__):
        if _state_of(callback) is None:
            continue
        if name not in known:
            missing.append(name[0])
        elif isinstance(callback, KeepsState):
            callback.set_training_state(known[name])
        else:
            # Their `on_train_begin` resets them.
            after_next(callback, "on_train_begin", partial(_set, callback, known[name]))
    return missing


def _numbered(items: Iterable[Any], name_of: Any) -> list[tuple[Any, tuple[str, int]]]:
    """Returns each item with its name and the number of items of that name before it."""
    counts: Counter[str] = Counter()
    numbered = []
    for item in items:
        name = name_of(item)
        numbered.append((item, (name, counts[name])))
        counts[name] += 1
    return numbered


def _state_of(callback: Any) -> Mapping[str, Any] | None:
    if isinstance(callback, KeepsState):
        return callback.get_training_state()
    attributes = _attributes(callback)
    if attributes is None:
        return None
    return {name: getattr(callback, name) for name in attributes if hasattr(callback, name)}


def _attributes(callback: Any) -> tuple[str, ...] | None:
    for owner in type(callback).__mro__:
        if getattr(keras.callbacks, owner.__name__, None) is owner:
            return _ATTRIBUTES.get(owner.__name__)
    return None


def _set(callback: Any, state: Mapping[str, Any]) -> None:
    for name, value in state.items():
        setattr(callback, name, value)
