"""What callbacks do to one another, and to how Keras calls them."""

import sys
import types
from collections.abc import Callable
from typing import Any

from wk_core.keras import keras

__all__ = [
    "after_all",
    "after_next",
    "argument_of_fit",
    "calling_list",
    "leave_to_keras",
    "left_to_keras",
]


def leave_to_keras(callback: Any, owner: type, hook: str) -> None:
    """Puts Keras' own empty hook back on a callback, unless a subclass of `owner` overrides it.

    Keras dispatches the batch hooks asynchronously on JAX and PyTorch as long as no callback
    overrides one: a callback that needs no batch hook in its present setting must not have one.
    """
    if getattr(type(callback), hook) is getattr(owner, hook):
        default = getattr(keras.callbacks.Callback, hook)
        setattr(callback, hook, types.MethodType(default, callback))


def left_to_keras(callback: Any) -> list[str]:
    """Returns the names of the hooks of a callback that were left to Keras."""
    return [
        name
        for name, value in vars(callback).items()
        if isinstance(value, types.MethodType)
        and value.__func__ is getattr(keras.callbacks.Callback, name, None)
    ]


def calling_list() -> Any:
    """Returns the `CallbackList` that is calling a hook, or None.

    Keras tells a callback nothing of its siblings: the only way to them is up the stack.
    """
    frame = sys._getframe(1)
    while frame is not None:
        caller = frame.f_locals.get("self")
        if isinstance(caller, keras.callbacks.CallbackList):
            return caller
        frame = frame.f_back  # type: ignore[assignment]
    return None


def argument_of_fit(name: str) -> Any:
    """Returns what the `fit` that is calling a hook was given for an argument, or None.

    Keras hands its callbacks no data. Of a `validation_split`, `validation_data` is what was split
    off.
    """
    frame = sys._getframe(1)
    while frame is not None:
        is_fit = frame.f_code.co_name == "fit" and name in frame.f_locals
        if is_fit and isinstance(frame.f_locals.get("self"), keras.Model):
            return frame.f_locals[name]
        frame = frame.f_back  # type: ignore[assignment]
    return None


def after_all(callback_list: Any, hook: str, task: Callable[[], None]) -> None:
    """Has `task` run each time a list of callbacks has called a hook of all of them."""
    call_all = getattr(callback_list, hook)

    def call_all_then_task(*arguments: Any, **named: Any) -> None:
        call_all(*arguments, **named)
        task()

    setattr(callback_list, hook, call_all_then_task)


def after_next(callback: Any, hook: str, task: Callable[[], None]) -> None:
    """Has `task` run once, when a callback's hook has been called the next time."""
    call = getattr(callback, hook)
    own = vars(callback).get(hook)

    def call_then_task(*arguments: Any, **named: Any) -> None:
        if own is None:
            delattr(callback, hook)
        else:
            setattr(callback, hook, own)
        call(*arguments, **named)
        task()

    setattr(callback, hook, call_then_task)
