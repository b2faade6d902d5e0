"""A learning rate in a variable."""

import bisect
from collections.abc import Callable
from typing import Any

from wk_core.compat.keras.optimizers import batches_trained
from wk_core.compat.keras.training import read_scalar, state_is_in_variables


class AssignedRate:
    """A rate in a variable, which callbacks may assign.

    A training step of the user's own may assign it too. An assignment inside a compiled step cannot
    be observed, so the rate is unknown from then on.

    Args:
        optimizer: The optimizer.
        model: The model that it trains.
        variable: The variable.
        decay: The optimizer's `decay`, as in the older family of Keras 2.
    """

    by_count = True

    def __init__(self, optimizer: Any, model: Any, variable: Any, *, decay: float) -> None:
        self._decay = decay
        self._optimizer = optimizer
        self._model = model
        self._variable = variable
        self._history = [(-1, float(read_scalar(variable)))]
        self._set_inside_the_step = False
        self._unobserve = _observe_assignments(variable, self._record)

    def at(self, count: int) -> float | None:
        """Returns the rate of the update at `count`; None if it is not known."""
        if self._set_inside_the_step:
            return None
        history = self._history  # another thread may replace it with a shorter list
        since, rate = history[-1]
        if count < since:
            _, rate = history[max(_entries_until(history, count) - 1, 0)]
        return rate / (1 + self._decay * count)

    def forget_before(self, count: int) -> None:
        """Forgets the rates before `count`."""
        self._set_inside_the_step |= float(read_scalar(self._variable)) != self._history[-1][1]
        self._history = self._history[max(_entries_until(self._history, count) - 1, 0) :]

    def close(self) -> None:
        """Stops observing the variable."""
        self._unobserve()

    def _record(self) -> None:
        if not state_is_in_variables(self._model):
            return
        try:
            rate = float(read_scalar(self._variable))
        except (AttributeError, NotImplementedError, TypeError):
            # It is symbolic while the step is being compiled.
            self._set_inside_the_step = True
            return
        if rate == self._history[-1][1]:
            return
        count = batches_trained(self._optimizer)
        # Set twice between two batches, or an earlier state of the optimizer was restored.
        if count <= self._history[-1][0]:
            self._history = self._history[: _entries_until(self._history, count - 1)]
        self._history.append((count, rate))


def _entries_until(history: list[tuple[int, float]], count: int) -> int:
    return bisect.bisect_right(history, count, key=lambda entry: entry[0])


class _ObservedAssign:
    """A variable's `assign` that calls observers afterwards."""

    def __init__(self, assign: Callable[..., Any]) -> None:
        self._assign = assign
        self.observers: list[Callable[[], None]] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        result = self._assign(*args, **kwargs)
        for observer in self.observers:
            observer()
        return result


def _observe_assignments(variable: Any, observer: Callable[[], None]) -> Callable[[], None]:
    """Calls `observer` after each `variable.assign(...)`, until the returned function is called.

    Keras has no event for it. The order of the callbacks decides which of them sees which value, so
    only the assignment itself shows whether it came before or after a batch.
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
