"""How an optimizer looks up its learning rate, as it updates the weights."""

import inspect
import weakref
from collections.abc import Callable
from typing import Any, Final

from wk_core.compat.entries import say_missing, stands_on
from wk_core.compat.keras.flavour import keras

__all__ = [
    "count_dtype",
    "current_rate_variable",
    "initial_decay",
    "overrides_rate_lookup",
    "watch_rate_lookups",
]

_LOOKUP: Final = "_get_current_learning_rate"


def current_rate_variable(optimizer: Any) -> Any:
    """Returns the variable in which an optimizer of Keras 2 keeps a schedule's rate, or None."""
    return getattr(optimizer, "_current_learning_rate", None)


def initial_decay(optimizer: Any) -> float:
    """Returns the `decay` of the older family of Keras 2, which lowers the rate at each update."""
    return float(getattr(optimizer, "_initial_decay", 0.0) or 0.0)


def count_dtype(optimizer: Any) -> str:
    """Returns the dtype of the count with which an update calls a schedule, as `"int64"`."""
    if hasattr(optimizer, "_initial_decay"):
        return "float32"  # the older family of Keras 2 converts the count
    dtype = getattr(getattr(optimizer, "_iterations", None), "dtype", "int64")
    return str(getattr(dtype, "name", dtype))


def overrides_rate_lookup(optimizer: Any) -> bool:
    """Returns whether a class of the user's overrides how an update, or a reader, finds its rate.

    A class that wraps another optimizer shows that one's rate, and does not use the one it holds.
    """
    base, kind = keras.optimizers.Optimizer, type(optimizer)
    return isinstance(optimizer, base) and any(
        getattr(kind, name, None) is not getattr(base, name, None)
        for name in (_LOOKUP, "learning_rate")
    )


@stands_on(
    f"optimizer.{_LOOKUP}",
    why="an update does not publish the rate that it uses, and calling a user's function once more "
    "may change its next result",
    versions="Keras 3.0 to 3.15, Keras 2",
    without="the rate of a function or a schedule of the user's is left out",
    report="not reported: for Keras, the rate of the last update",
)
def watch_rate_lookups(optimizer: Any, observer: Callable[[Any], None]) -> Callable[[], None]:
    """Calls `observer` with the rate of each update, until the returned function is called."""
    own = vars(optimizer)
    observed = own.get(_LOOKUP)
    if not isinstance(observed, _ObservedLookup):
        if not hasattr(optimizer, _LOOKUP):
            say_missing(watch_rate_lookups)
            return lambda: None
        own[_LOOKUP] = observed = _ObservedLookup(optimizer, getattr(optimizer, _LOOKUP))
    observed.observers.append(observer)

    def unwatch() -> None:
        if observer in observed.observers:
            observed.observers.remove(observer)
        if not observed.observers and own.get(_LOOKUP) is observed:
            del own[_LOOKUP]

    return unwatch


class _ObservedLookup:
    """An optimizer's lookup of its rate that calls observers with the result."""

    def __init__(self, optimizer: Any, look_up: Callable[[], Any]) -> None:
        self._optimizer = weakref.ref(optimizer)
        self._look_up = look_up
        self.observers: list[Callable[[Any], None]] = []

    def __call__(self) -> Any:
        rate = self._look_up()
        here = inspect.currentframe()
        caller = None if here is None else here.f_back
        if caller is not None and caller.f_code.co_name == "learning_rate":
            caller = caller.f_back
        # Reading the public attribute between two updates looks it up too.
        if caller is not None and caller.f_locals.get("self") is self._optimizer():
            for observer in self.observers:
                observer(rate)
        return rate
