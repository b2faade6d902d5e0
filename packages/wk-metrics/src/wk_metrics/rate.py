"""The learning rate of one optimizer as a function of its count of batches.

A batch's rate cannot be read after the batch: a schedule has moved on by then, other callbacks
have set the rate for the next one, and on JAX the variable is out of reach while an epoch runs.
A schedule is a function of the count already; a rate that callbacks assign becomes one by noting
each assignment together with the count.
"""

import bisect
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, TypeAlias

from wk_core.keras import (
    backend,
    batches_trained,
    keras,
    learning_rate_setting,
    read_scalar,
    state_is_in_variables,
)
from wk_metrics.schedule import BlockwiseSchedule, evaluate_on_host

Deferred: TypeAlias = float | Callable[[], float]
"""A number, or a function that computes it and may be called in any thread."""


class Rate(Protocol):
    """A learning rate as a function of its optimizer's count of batches."""

    def at(self, count: int) -> Deferred | None:
        """Returns the rate of the batch before which the optimizer had seen `count` batches.

        None where it is not known.
        """

    def settle(self, count: int) -> None:
        """Takes note, between epochs, that batches before `count` will not be asked for again."""

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
    if isinstance(setting, keras.optimizers.schedules.LearningRateSchedule):
        # One evaluation an epoch is not worth a compilation, and a model that runs eagerly may
        # have a schedule that cannot be compiled.
        if batch_wise and not model.run_eagerly and backend() in ("tensorflow", "jax"):
            return _ScheduledRate(BlockwiseSchedule(setting))
        return _ScheduledRate(partial(evaluate_on_host, setting))
    if hasattr(setting, "assign"):
        return _AssignedRate(optimizer, model, setting)
    return _CalledRate(setting)


class _AssignedRate:
    """A rate in a variable, which callbacks may assign.

    A training step of the user's own may assign it, too: what happens inside a compiled step is
    not seen, so the rate is unknown from then on.
    """

    def __init__(self, optimizer: Any, model: Any, variable: Any) -> None:
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
        return history[max(_entries_until(history, count) - 1, 0)][1]

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

    def __init__(self, evaluate: Callable[[int], float]) -> None:
        self._evaluate = evaluate

    def at(self, count: int) -> Deferred:
        return partial(self._evaluate, count)

    def settle(self, count: int) -> None:
        pass

    def close(self) -> None:
        pass


class _CalledRate:
    """A rate from a function without arguments, which knows only the current one."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function

    def at(self, count: int) -> float:  # noqa: ARG002  the function does not take it
        return float(self._function())

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
