"""What callbacks do to one another, and to how Keras calls them.

Keras tells a callback nothing of its siblings, nor of the arguments of `fit`. The only way to them
is up the stack.
"""

import inspect
import types
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from wk_core.compat.entries import stands_on
from wk_core.compat.keras.flavour import LEGACY, keras, steps_per_execution

__all__ = [
    "call_after_all",
    "call_after_next",
    "call_before_all",
    "current_callback_list",
    "current_callback_lists",
    "default_hooks",
    "fit_argument",
    "is_in_fit",
    "is_nested",
    "last_batch_finder",
    "restore_default_hook",
]


def restore_default_hook(callback: Any, owner: type, hook: str) -> None:
    """Puts Keras' own empty hook back on a callback, unless a subclass of `owner` overrides it.

    Keras dispatches the batch hooks asynchronously on JAX and PyTorch as long as no callback
    overrides one: a callback that needs no batch hook in its present setting must not have one.
    """
    if getattr(type(callback), hook) is getattr(owner, hook):
        default = getattr(keras.callbacks.Callback, hook)
        setattr(callback, hook, types.MethodType(default, callback))


def default_hooks(callback: Any) -> list[str]:
    """Returns the names of the hooks of a callback that were left to Keras."""
    return [
        name
        for name, value in vars(callback).items()
        if isinstance(value, types.MethodType)
        and value.__func__ is getattr(keras.callbacks.Callback, name, None)
    ]


@stands_on(
    "keras.callbacks.CallbackList",
    why="Keras gives a callback no way to the list that calls it",
    versions="Keras 3.0 to 3.15, Keras 2",
    without="a checkpoint is saved before callbacks that come later in the list have been called",
    report="not reported: for Keras, the list of callbacks as an attribute of a callback",
)
def current_callback_list() -> Any:
    """Returns the innermost `CallbackList` that is calling a hook, or None."""
    return next(_callback_lists(), None)


def current_callback_lists() -> list[Any]:
    """Returns every `CallbackList` that is calling a hook, the innermost first.

    There are several where a hook calls `fit` or `evaluate` in its turn.
    """
    return list(_callback_lists())


def is_nested() -> bool:
    """Returns whether a list of callbacks is at work within a hook that another one is calling."""
    return len(set(map(id, _callback_lists()))) > 1


@stands_on(
    "keras.Model.fit",
    why="Keras gives its callbacks no data",
    versions="Keras 3.0 to 3.15, Keras 2",
    without="`validation_data` must be given to the callback itself",
    report="not reported: for Keras, the arguments of `fit` in `callback.params`",
)
def fit_argument(name: str) -> Any:
    """Returns what the `fit` that is calling a hook was given for an argument, or None.

    Of a `validation_split`, `validation_data` is what was split off.
    """
    for frame in _callers():
        is_fit = frame.f_code.co_name == "fit" and name in frame.f_locals
        if is_fit and isinstance(frame.f_locals.get("self"), keras.Model):
            return frame.f_locals[name]
    return None


def is_in_fit(model: Any) -> bool:
    """Returns whether Keras' own `fit` of a model is calling a hook, not a loop of the user's."""
    own = inspect.unwrap(keras.Model.fit).__code__
    return any(frame.f_code is own and frame.f_locals.get("self") is model for frame in _callers())


def last_batch_finder(model: Any) -> Callable[[int], int]:
    """Returns a function from the number that an end-of-batch hook gets to that of the last batch.

    With `steps_per_execution` above 1, Keras up to 3.10 gives the hook the number of the
    execution's first batch, and later that of its last one. Every execution counts as full, also a
    shorter one at the end of an epoch. A loop of the user's own, and Keras 2, number the last batch
    themselves.

    To be called in the thread that trains, when an epoch begins.
    """
    counts_itself = LEGACY or not is_in_fit(model)
    return partial(_last_batch, 1 if counts_itself else steps_per_execution(model))


def _last_batch(batches: int, number: int) -> int:
    """Returns the last batch of the execution, of so many `batches`, that a batch belongs to."""
    return number - number % batches + batches - 1


def _callback_lists() -> Iterator[Any]:
    for frame in _callers():
        caller = frame.f_locals.get("self")
        if isinstance(caller, keras.callbacks.CallbackList):
            yield caller


def _callers() -> Iterator[types.FrameType]:
    """Yields the frames above, the innermost first."""
    frame = inspect.currentframe()
    while frame is not None:
        yield frame
        frame = frame.f_back


def call_before_all(callback_list: Any, hook: str, task: Callable[..., None]) -> None:
    """Runs `task` each time before a list of callbacks calls a hook of all of them.

    It runs in the thread that trains, with the arguments of the hook.
    """
    call_all = getattr(callback_list, hook)

    def task_then_call_all(*arguments: Any, **named: Any) -> None:
        task(*arguments, **named)
        call_all(*arguments, **named)

    setattr(callback_list, hook, task_then_call_all)


def call_after_all(callback_list: Any, hook: str, task: Callable[[], None]) -> None:
    """Runs `task` each time after a list of callbacks has called a hook of all of them."""
    call_all = getattr(callback_list, hook)

    def call_all_then_task(*arguments: Any, **named: Any) -> None:
        call_all(*arguments, **named)
        task()

    setattr(callback_list, hook, call_all_then_task)


def call_after_next(callback: Any, hook: str, task: Callable[[], None]) -> None:
    """Runs `task` once, after the next call of a callback's hook."""
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
