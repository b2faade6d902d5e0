"""What Keras' own callbacks remember, in attributes that their `on_train_begin` resets."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from wk_core.compat.entries import stands_on
from wk_core.compat.keras.flavour import keras
from wk_core.compat.keras.hooks import call_after_next

__all__ = ["restore_attributes", "saved_attributes"]

_ATTRIBUTES: Final[dict[str, tuple[str, ...]]] = {
    "EarlyStopping": ("wait", "stopped_epoch", "best", "best_epoch", "best_weights"),
    "ReduceLROnPlateau": ("wait", "cooldown_counter", "best"),
    "ModelCheckpoint": ("best",),
    "SwapEMAWeights": ("_ema_weights_in_model",),
}


@stands_on(
    "keras.callbacks.EarlyStopping().wait",
    "keras.callbacks.ReduceLROnPlateau().cooldown_counter",
    "keras.callbacks.SwapEMAWeights()._ema_weights_in_model",
    why="Keras' callbacks have no method that returns their state",
    versions="Keras 3.0 to 3.15, Keras 2",
    without="such a callback starts afresh in a training that is resumed",
    report="not reported: for Keras, a state of its callbacks",
)
def saved_attributes(callback: Any) -> dict[str, Any] | None:
    """Returns what a callback of Keras' remembers, by attribute; None where it is none of them."""
    for owner in type(callback).__mro__:
        if getattr(keras.callbacks, owner.__name__, None) is owner:
            names = _ATTRIBUTES.get(owner.__name__)
            if names is None:
                return None
            return {name: getattr(callback, name) for name in names if hasattr(callback, name)}
    return None


def restore_attributes(callback: Any, state: Mapping[str, Any]) -> None:
    """Sets what a callback of Keras' remembers, after the `on_train_begin` that comes next."""
    call_after_next(callback, "on_train_begin", partial(_set, callback, state))


def _set(callback: Any, state: Mapping[str, Any]) -> None:
    for name, value in state.items():
        setattr(callback, name, value)
