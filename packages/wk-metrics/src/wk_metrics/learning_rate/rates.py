"""The learning rate of one optimizer as a function of its count of batches.

A batch's rate cannot be read after the batch: a schedule has moved on by then, other callbacks
have set the rate for the next one, and on JAX the variable is out of reach while an epoch runs.
Keras' own schedules are functions of the count already; a rate that callbacks assign becomes one by
noting each assignment together with the count. What else decides about a rate is not known, so any
other one is looked up right behind the update that used it.
"""

import bisect
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, TypeAlias

from wk_core.keras import keras, read_scalar, state_is_in_variables
from wk_core.keras_training import is_compiled
from wk_core.optimizers import batches_trained, learning_rate_setting
from wk_metrics.learning_rate.schedules import BlockwiseSchedule, evaluate_on_host
from wk_metrics.learning_rate.watched_rate import CurrentRate, WatchedRate

LazyValue: TypeAlias = float | Callable[[], float | None]
"""A number, or a function that computes it and may be called in any thread; None: not known."""


class Rate(Protocol):
    """A learning rate as a function of its optimizer's count of batches.

    Attributes:
        by_count: Whether the rates of earlier batches can be asked for, too. Else only that of the
            update before, right behind it.
    """

    by_count: bool

    def at(self, count: int) -> LazyValue | None:
        """Returns the rate of the update before which the optimizer had seen `count` batches.

        None where it is not known.
        """

    def settle(self, count: int) -> None:
        """Takes note that updates before `count` will not be asked for again.

        The training state must be in the variables.
        """

    def close(self) -> None:
        """Ends the observation."""


def rate_of(optimizer: Any, model: Any, *, batch_wise: bool) -> Rate:
    """Returns the rate of an optimizer, observed until it is closed.

    Args:
        optimizer: The optimizer, without the wrapper that scales the loss.
        model: The model that it trains.
        batch_wise: Whether the rates of single batches will be asked for.
    """
    setting = learning_rate_setting(optimizer)
    dtype = _dtype_of_count(optimizer)
    compiled = is_compiled(model)
    if _is_overridden(optimizer):
        return WatchedRate(optimizer, None, dtype, compiled=compiled)
    if hasattr(setting, "assign"):
        return _AssignedRate(optimizer, model, setting)
    if not callable(setting):
        return _FixedRate(setting)
    as_applied = _as_applied(optimizer, setting)
    if is_keras_own(setting):
        # One evaluation an epoch is not worth a compilation.
        if batch_wise and compiled:
            return _ScheduledRate(BlockwiseSchedule(as_applied, dtype))
        return _ScheduledRate(partial(evaluate_on_host, as_applied, dtype=dtype))
    if hasattr(optimizer, "_current_learning_rate"):
        return CurrentRate(optimizer)
    return WatchedRate(optimizer, as_applied, dtype, compiled=compiled)


def is_keras_own(schedule: Any) -> bool:
    """Tells whether a schedule is of Keras' own classes and made of numbers.

    Then it is a function of the count. A variable among them may change in between, and what a
    class of the user's does is not known.
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


def _is_overridden(optimizer: Any) -> bool:
    """Tells whether a class of the user's decides in another way about the rate of an update."""
    own = getattr(keras.optimizers.Optimizer, "_get_current_learning_rate", None)
    return own is not None and getattr(type(optimizer), own.__name__, own) is not own


def _as_applied(optimizer: Any, setting: Any) -> Callable[[Any], Any]:
    """Returns a schedule, or a function without arguments, as a function of the count."""
    is_schedule = isinstance(setting, keras.optimizers.schedules.LearningRateSchedule)
    rate: Callable[[Any], Any] = setting if is_schedule else lambda count: setting()  # noqa: ARG005
    decay = _decay(optimizer)
    return (lambda count: rate(count) / (1 + decay * count)) if decay > 0 else rate


def _decay(optimizer: Any) -> float:
    """Returns the `decay` of the older family of Keras 2, by which a rate goes down each time."""
    return float(getattr(optimizer, "_initial_decay", 0.0) or 0.0)


def _dtype_of_count(optimizer: Any) -> str:
    if hasattr(optimizer, "_initial_decay"):
        return "float32"  # the older family of Keras 2 converts it
    dtype = getattr(getattr(optimizer, "_iterations", None), "dtype", "int64")
    return str(getattr(dtype, "name", dtype))


class _AssignedRate:
    """A rate in a variable, which callbacks may assign.

    A training step of the user's own may assign it, too: what happens inside a compiled step is
    not seen, so the rate is unknown from then on.
    """

    by_count = True

    def __init__(self, optimizer: Any, model: Any, variable: Any) -> None:
        self._decay = _decay(optimizer)
        self._optimizer = optimizer
        self._model = model
        self._variable = variable
        self._history = [(-1, float(read_scalar(variable)))]
        self._set_inside_the_step = False
        self._unobserve = _observe_assignments(variable, self._note)

    def at(self, count: int) -> float | None:
        if self._set_inside_the_step:
            return None
        history = self._history  # another thread may put a shorter one in its place
        since, rate = history[-1]
        if count < since:
            _, rate = history[max(_entries_until(history, count) - 1, 0)]
        return rate / (1 + self._decay * count)

    def settle(self, count: int) -> None:
        self._set_inside_the_step |= float(read_scalar(self._variable)) != self._history[-1][1]
        self._history = self._history[max(_entries_until(self._history, count) - 1, 0) :]

    def close(self) -> None:
        self._unobserve()

    def _note(self) -> None:
        if not state_is_in_variables(self._model):
            return
        try:
            rate = float(read_scalar(self._variable))
        except (
            AttributeError,
            NotImplementedError,
            TypeError,
        ):  # a symbol, while the step is compiled
            self._set_inside_the_step = True
            return
        if rate == self._history[-1][1]:
            return
        count = batches_trained(self._optimizer)
        # Set twice between two batches, or an older state of the optimizer put back.
        if count <= self._history[-1][0]:
            self._history = self._history[: _entries_until(self._history, count - 1)]
        self._history.append((count, rate))


def _entries_until(history: list[tuple[int, float]], count: int) -> int:
    return bisect.bisect_right(history, count, key=lambda entry: entry[0])


class _ScheduledRate:
    """A rate from a schedule; `evaluate` gives its value at a count."""

    by_count = True

    def __init__(self, evaluate: Callable[[int], float]) -> None:
        self._evaluate = evaluate

    def at(self, count: int) -> LazyValue:
        return partial(self._evaluate, count)

    def settle(self, count: int) -> None:
        pass

    def close(self) -> None:
        pass


class _FixedRate:
    """A number, of an optimizer that is not Keras'."""

    by_count = True

    def __init__(self, number: Any) -> None:
        self._number = float(number)

    def at(self, count: int) -> float:  # noqa: ARG002
        return self._number

    def settle(self, count: int) -> None:
        pass

    def close(self) -> None:
        pass


class _ObservedAssign:
    """A variable's `assign` that tells observers afterwards."""

    def __init__(self, assign: Callable[..., Any]) -> None:
        self._assign = assign
        self.observers: list[Callable[[], None]] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        result = self._assign(*args, **kwargs)
        for observer in self.observers:
            observer()
        return result


def _observe_assignments(variable: Any, observer: Callable[[], None]) -> Callable[[], None]:
    """Has `observer` called after each `variable.assign(...)`; returns the way to end it.

    Keras has no event for it, and where callbacks stand in the list decides who sees what: only
    the assignment itself tells whether it came before or after the batch.
    """
    observed = vars(variable).get("assign")
    if not isinstance(observed, _ObservedAssign):
        observed = _ObservedAssign(variable.assign)
        variable.assign = observed
    observed.observers.append(observer)

    def unobserve() -> None:
        if observer in observed.observers:
            observed.observers.remove(observer)
        if not observed.observers and vars(variable).get("assign") is observed:
            del variable.assign

    return unobserve
