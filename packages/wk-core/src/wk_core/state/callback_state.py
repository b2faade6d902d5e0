"""What a callback remembers from one process of a training to the next.

A callback that implements `KeepsState` says so itself. What Keras' own callbacks remember is known
(`wk_core.compat.keras.callback_state`).
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

from wk_core.compat.keras.callback_state import restore_attributes, saved_attributes

__all__ = ["KeepsState", "restore_states", "states_of"]


@runtime_checkable
class KeepsState(Protocol):
    """A callback that takes part in resuming a training.

    Example:
        ```python
        import keras
        from wk_core import KeepsState


        class CountEpochs(keras.callbacks.Callback):
            count = 0

            def on_epoch_end(self, epoch, logs=None):
                self.count += 1

            def get_training_state(self):
                return {"count": self.count}

            def set_training_state(self, state):
                self.count = state["count"]


        assert isinstance(CountEpochs(), KeepsState)
        ```
    """

    def get_training_state(self) -> Mapping[str, Any]:
        """Returns what it remembers: numbers, strings, NumPy arrays, and nests of them."""

    def set_training_state(self, state: Mapping[str, Any]) -> None:
        """Goes on from a state, in the `fit` that comes next."""


def states_of(callbacks: Iterable[Any]) -> list[dict[str, Any]]:
    """Returns the states of those callbacks that remember something."""
    states = []
    for callback in callbacks:
        state = _state_of(callback)
        if state is not None:
            states.append({"callback": type(callback).__name__, "state": state})
    return states


def restore_states(callbacks: Iterable[Any], states: Iterable[Mapping[str, Any]]) -> list[str]:
    """Sets the states from which callbacks go on in the `fit` that comes next.

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
            restore_attributes(callback, known[name])
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
    return saved_attributes(callback)
