"""Learning rates that are known right behind the update that used them, and only there."""

import sys
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from wk_core.keras import backend, read_scalar
from wk_core.logs import as_number
from wk_metrics.learning_rate.schedules import FrozenSchedule, is_symbolic

_LOOKUP: Final = "_get_current_learning_rate"
# What the optimizers' own lookups came to, for steps that are compiled already.
_seen: "Final[weakref.WeakKeyDictionary[Any, Any]]" = weakref.WeakKeyDictionary()


class WatchedRate:
    """A rate from a function or a schedule of the user's, as the optimizer itself looks it up.

    It is not called here, since that may change what it gives next. Only where a compiled step has
    a formula instead of a number it is traced once more, right behind the step.

    Args:
        optimizer: The optimizer.
        schedule: The rate as a function of the count, or None where there is none.
        dtype: The type of the tensor that the function is given.
        compiled: Whether the training step is compiled.
    """

    by_count = False

    def __init__(
        self,
        optimizer: Any,
        schedule: Callable[[Any], Any] | None,
        dtype: str,
        *,
        compiled: bool,
    ) -> None:
        self._optimizer = optimizer
        self._schedule = schedule
        self._dtype = dtype
        self._compiled = compiled
        self._frozen: FrozenSchedule | None = None
        self._noted: float | None = None
        self._unwatch = _watch_lookups(optimizer, self._note)

    def at(self, count: int) -> float | Callable[[], float | None] | None:
        """Returns the rate of the last update, before which the optimizer had seen `count`."""
        noted, self._noted = self._noted, None
        if noted is not None:
            return noted
        value = _seen.get(self._optimizer)
        if value is not None:
            return as_number(read_scalar(value) if hasattr(value, "assign") else value)
        if self._schedule is None or not self._compiled:
            return None
        if self._frozen is None:
            self._frozen = FrozenSchedule(self._schedule, self._dtype, count)
        if self._frozen.of_count_alone:
            return partial(self._frozen, count)
        return self._frozen(count)

    def note_update(self, count: Callable[[], int]) -> None:
        """Keeps the rate of the last update, where something may change it before it is asked for.

        Args:
            count: Returns how often the optimizer had been applied before.
        """
        value = _seen.get(self._optimizer)
        follows_variables = hasattr(value, "assign")
        if value is None and self._schedule is not None and self._compiled:
            if self._frozen is None:
                self._frozen = FrozenSchedule(self._schedule, self._dtype, 0)
            follows_variables = not self._frozen.of_count_alone
        if follows_variables:
            self._noted = None
            noted = self.at(count())
            self._noted = None if callable(noted) else noted

    def settle(self, count: int) -> None:
        """Does nothing: no earlier rate is kept."""

    def close(self) -> None:
        """Ends the observation."""
        self._unwatch()

    def _note(self, value: Any) -> None:
        if self._compiled and backend() == "jax" and hasattr(value, "assign"):
            value = value.value  # a step on JAX keeps what it was when it was compiled
        if is_symbolic(value):
            _seen.pop(self._optimizer, None)
            self._frozen = None
        else:
            _seen[self._optimizer] = value


class CurrentRate:
    """The rate of an optimizer of Keras 2 with a schedule, which keeps it in a variable."""

    by_count = False

    def __init__(self, optimizer: Any) -> None:
        self._variable = optimizer._current_learning_rate

    def at(self, count: int) -> float:  # noqa: ARG002
        """Returns the rate of the last update."""
        return float(read_scalar(self._variable))

    def settle(self, count: int) -> None:
        """Does nothing: no earlier rate is kept."""

    def close(self) -> None:
        """Does nothing: nothing is observed."""


class _ObservedLookup:
    """An optimizer's lookup of its rate that tells observers what came of it."""

    def __init__(self, optimizer: Any, look_up: Callable[[], Any]) -> None:
        self._optimizer = weakref.ref(optimizer)
        self._look_up = look_up
        self.observers: list[Callable[[Any], None]] = []

    def __call__(self) -> Any:
        rate = self._look_up()
        frame = sys._getframe(1)
        if frame.f_code.co_name == "learning_rate" and frame.f_back is not None:
            frame = frame.f_back
        # The public attribute looks it up, too, for whoever reads it between two updates.
        if frame.f_locals.get("self") is self._optimizer():
            for observer in self.observers:
                observer(rate)
        return rate


def _watch_lookups(optimizer: Any, observer: Callable[[Any], None]) -> Callable[[], None]:
    """Has `observer` called with the rate of each update; returns the way to end it."""
    own = vars(optimizer)
    observed = own.get(_LOOKUP)
    if not isinstance(observed, _ObservedLookup):
        if not hasattr(optimizer, _LOOKUP):
            return lambda: None
        own[_LOOKUP] = observed = _ObservedLookup(optimizer, getattr(optimizer, _LOOKUP))
    observed.observers.append(observer)

    def unwatch() -> None:
        if observer in observed.observers:
            observed.observers.remove(observer)
        if not observed.observers and own.get(_LOOKUP) is observed:
            del own[_LOOKUP]

    return unwatch
