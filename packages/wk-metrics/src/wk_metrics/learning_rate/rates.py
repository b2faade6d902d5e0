"""The learning rate of one optimizer as a function of its count of batches.

A batch's rate cannot be read after the batch: a schedule has moved on by then, other callbacks
have set the rate of the next batch, and on JAX the variable is out of reach during an epoch.
Keras' own schedules already are functions of the count. A rate that callbacks assign becomes a
function of the count too, by recording the count of each assignment. Any other rate depends on
something unknown, so it is read right after the update that used it.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, TypeAlias

from wk_core.compat.keras.flavour import keras
from wk_core.compat.keras.learning_rate import (
    count_dtype,
    current_rate_variable,
    initial_decay,
    overrides_rate_lookup,
)
from wk_core.compat.keras.optimizers import learning_rate_setting
from wk_core.compat.keras.training import is_compiled
from wk_metrics.learning_rate.assigned_rate import AssignedRate
from wk_metrics.learning_rate.schedules import BlockwiseSchedule, evaluate_on_host
from wk_metrics.learning_rate.watched_rate import CurrentRate, WatchedRate

LazyValue: TypeAlias = float | Callable[[], float | None]
"""A number, or a function that computes it in any thread and returns None if it is not known."""


class Rate(Protocol):
    """A learning rate as a function of its optimizer's count of batches.

    Attributes:
        by_count: Whether the rates of earlier batches are known too. If not, only the rate of the
            last update is known, right after it.
    """

    by_count: bool

    def at(self, count: int) -> LazyValue | None:
        """Returns the rate of the update before which the optimizer had seen `count` batches.

        None if it is not known.
        """

    def forget_before(self, count: int) -> None:
        """Forgets the rates of updates before `count`, which are no longer needed.

        The training state must be in the variables.
        """

    def close(self) -> None:
        """Stops observing the optimizer."""


def rate_of(optimizer: Any, model: Any, *, batch_wise: bool) -> Rate:
    """Returns the rate of an optimizer, observed until it is closed.

    Args:
        optimizer: The optimizer, without the wrapper that scales the loss.
        model: The model that it trains.
        batch_wise: Whether the rates of single batches are needed.
    """
    setting = learning_rate_setting(optimizer)
    dtype = count_dtype(optimizer)
    compiled = is_compiled(model)
    if overrides_rate_lookup(optimizer):
        return WatchedRate(optimizer, None, dtype, compiled=compiled)
    if hasattr(setting, "assign"):
        return AssignedRate(optimizer, model, setting, decay=initial_decay(optimizer))
    if not callable(setting):
        return _FixedRate(setting)
    as_applied = _as_applied(optimizer, setting)
    if is_keras_own(setting):
        # A single evaluation in an epoch is not worth a compilation.
        if batch_wise and compiled:
            return _ScheduledRate(BlockwiseSchedule(as_applied, dtype))
        return _ScheduledRate(partial(evaluate_on_host, as_applied, dtype=dtype))
    kept = current_rate_variable(optimizer)
    if kept is not None:
        return CurrentRate(kept)
    return WatchedRate(optimizer, as_applied, dtype, compiled=compiled)


def is_keras_own(schedule: Any) -> bool:
    """Returns whether a schedule is an instance of Keras' own classes with fixed settings.

    Then it is a function of the count. A variable among its settings may change at any time, and a
    schedule of the user's may depend on anything.
    """
    if not isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
        return False
    if getattr(keras.optimizers.schedules, type(schedule).__name__, None) is not type(schedule):
        return False
    return all(map(_is_fixed, vars(schedule).values()))


def _is_fixed(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_fixed, value))
    return value is None or isinstance(value, (int, float, str)) or is_keras_own(value)


def _as_applied(optimizer: Any, setting: Any) -> Callable[[Any], Any]:
    """Returns a schedule, or a function without arguments, as a function of the count."""
    is_schedule = isinstance(setting, keras.optimizers.schedules.LearningRateSchedule)
    rate: Callable[[Any], Any] = setting if is_schedule else lambda count: setting()  # noqa: ARG005
    decay = initial_decay(optimizer)
    return (lambda count: rate(count) / (1 + decay * count)) if decay > 0 else rate


class _ScheduledRate:
    """A rate from a schedule; `evaluate` returns its value at a count."""

    by_count = True

    def __init__(self, evaluate: Callable[[int], float]) -> None:
        self._evaluate = evaluate

    def at(self, count: int) -> LazyValue:
        return partial(self._evaluate, count)

    def forget_before(self, count: int) -> None:
        pass

    def close(self) -> None:
        pass


class _FixedRate:
    """A fixed rate, of an optimizer that is not Keras' own."""

    by_count = True

    def __init__(self, number: Any) -> None:
        self._number = float(number)

    def at(self, count: int) -> float:  # noqa: ARG002
        return self._number

    def forget_before(self, count: int) -> None:
        pass

    def close(self) -> None:
        pass
