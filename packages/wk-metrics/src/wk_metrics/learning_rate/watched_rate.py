"""Learning rates that are known only right after the update that used them."""

import weakref
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from wk_core.compat.keras.flavour import backend
from wk_core.compat.keras.learning_rate import watch_rate_lookups
from wk_core.compat.keras.training import read_scalar
from wk_core.logs import as_number
from wk_metrics.learning_rate.schedules import FrozenSchedule, is_symbolic

# The results of the optimizers' own lookups, for steps that are already compiled.
_seen: "Final[weakref.WeakKeyDictionary[Any, Any]]" = weakref.WeakKeyDictionary()


class WatchedRate:
    """The rate from a function or a schedule of the user's, as the optimizer itself looks it up.

    The function is not called here, since a call may change its next result. Only if a compiled
    step has a formula instead of a number, it is traced once more, right after the step.

    Args:
        optimizer: The optimizer.
        schedule: The rate as a function of the count; None if there is no such function.
        dtype: The dtype of the tensor that the function receives.
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
        self._recorded: float | None = None
        self._unwatch = watch_rate_lookups(optimizer, self._record)

    def at(self, count: int) -> float | Callable[[], float | None] | None:
        """Returns the rate of the last update, before which the optimizer had seen `count`."""
        recorded, self._recorded = self._recorded, None
        if recorded is not None:
            return recorded
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

    def record_update(self, count: Callable[[], int]) -> None:
        """Keeps the rate of the last update if it may change before `at` is called.

        Args:
            count: Returns the number of updates before the last one.
        """
        value = _seen.get(self._optimizer)
        follows_variables = hasattr(value, "assign")
        if value is None and self._schedule is not None and self._compiled:
            if self._frozen is None:
                self._frozen = FrozenSchedule(self._schedule, self._dtype, 0)
            follows_variables = not self._frozen.of_count_alone
        if follows_variables:
            self._recorded = None
            recorded = self.at(count())
            self._recorded = None if callable(recorded) else recorded

    def forget_before(self, count: int) -> None:
        """Does nothing: no earlier rate is kept."""

    def close(self) -> None:
        """Stops observing the optimizer."""
        self._unwatch()

    def _record(self, value: Any) -> None:
        if self._compiled and backend() == "jax" and hasattr(value, "assign"):
            value = value.value  # a step on JAX keeps the value of its compilation
        if is_symbolic(value):
            _seen.pop(self._optimizer, None)
            self._frozen = None
        else:
            _seen[self._optimizer] = value


class CurrentRate:
    """The rate of an optimizer of Keras 2 with a schedule, which keeps the rate in a variable."""

    by_count = False

    def __init__(self, variable: Any) -> None:
        self._variable = variable

    def at(self, count: int) -> float:  # noqa: ARG002
        """Returns the rate of the last update."""
        return float(read_scalar(self._variable))

    def forget_before(self, count: int) -> None:
        """Does nothing: no earlier rate is kept."""

    def close(self) -> None:
        """Does nothing: nothing is observed."""
