"""What callbacks do to one another, and to how Keras calls them."""

import inspect
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

from wk_core.keras import keras

__all__ = [
    "after_all",
    "after_next",
    "argument_of_fit",
    "before_all",
    "calling_list",
    "calling_lists",
    "is_in_fit",
    "is_nested",
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
    return next(_lists_above(sys._getframe(1)), None)


def calling_lists() -> list[Any]:
    """Returns every `CallbackList` that is calling a hook, the innermost first.

    There are several where a hook calls `fit` or `evaluate` in its turn.
    """
    return list(_lists_above(sys._getframe(1)))


def _lists_above(frame: types.FrameType | None) -> Iterator[Any]:
    while frame is not None:
        caller = frame.f_locals.get("self")
        if isinstance(caller, keras.callbacks.CallbackList):
            yield caller
        frame = frame.f_back


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


def is_in_fit(model: Any) -> bool:
    """Tells whether Keras' own `fit` of a model is calling a hook, not a loop of the user's."""
    own = inspect.unwrap(keras.Model.fit).__code__
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code is own and frame.f_locals.get("self") is model:
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


def is_nested() -> bool:
    """Tells whether a list of callbacks is at work within a hook that another one is calling."""
    lists = set()
    frame = sys._getframe(1)
    while frame is not None:
        caller = frame.f_locals.get("self")
        if isinstance(caller, keras.callbacks.CallbackList):
            lists.add(id(caller))
        frame = frame.f_back  # type: ignore[assignment]
    return len(lists) > 1


def before_all(callback_list: Any, hook: str, task: Callable[..., None]) -> None:
    """Has `task` run each time before a list of callbacks calls a hook of all of them.

    It runs in the thread that trains, with the arguments of the hook.
    """
    call_all = getattr(callback_list, hook)

    def task_then_call_all(*arguments: Any, **named: Any) -> None:
        task(*arguments, **named)
        call_all(*arguments, **named)

    setattr(callback_list, hook, task_then_call_all)


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
