"""The learning rate that each batch used, for every optimizer of a model.

A batch's rate cannot be read after the batch: a schedule has moved on by then, other callbacks
have set the rate for the next one, and on JAX the variable is out of reach while an epoch runs.
So rates are functions of the optimizer's own count of batches: a schedule is one already, and a
rate that callbacks set becomes one by noting each assignment together with the count.
"""

import bisect
import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Protocol, TypeAlias

from wk_core.keras import (
    LEGACY,
    backend,
    batches_trained,
    keras,
    learning_rate_setting,
    state_is_in_variables,
    sync_state,
    unwrap_optimizer,
)

Deferred: TypeAlias = float | Callable[[], float]
"""A number, or a function that computes it and may be called in any thread."""


class LearningRates:
    """The learning rates of a model's optimizers during one `fit`.

    Args:
        model: The model that is trained.
        batch_wise: Whether single batches will be asked for.
    """

    def __init__(self, model: Any, *, batch_wise: bool) -> None:
        self._model = model
        self._rates = {
            key: _OptimizerRate(optimizer, model, batch_wise=batch_wise)
            for key, optimizer in find_optimizers(model).items()
        }
        self.may_skip_batches = any(rate.may_skip for rate in self._rates.values())

    def start_epoch(self) -> None:
        """Takes up the optimizers' counts; to be called when an epoch begins."""
        for rate in self._rates.values():
            rate.start_epoch()

    def note_batch(self, first: int) -> None:
        """Looks up the optimizers' counts at batch `first` of the epoch, before it is trained.

        Needed only for the batches asked for, and only where `may_skip_batches`: mixed precision
        skips the update of a batch whose gradients overflow, and the schedule then stands still.
        """
        sync_state(self._model)
        for rate in self._rates.values():
            rate.note_batch(first)

    def of_batch(self, first: int, last: int) -> dict[str, Deferred]:
        """Returns the rates of batch `last` of the epoch, by key.

        Args:
            first: The batch at which Keras started the execution that ended with `last`.
            last: The batch.
        """
        return {key: rate.of_batch(first, last) for key, rate in self._rates.items()}

    def of_last_batch(self) -> dict[str, Deferred]:
        """Returns the rates of the batch trained last, by key; to be called between epochs."""
        return {key: rate.of_last_batch() for key, rate in self._rates.items()}

    def close(self) -> None:
        """Ends the observation of the optimizers."""
        for rate in self._rates.values():
            rate.close()


def find_optimizers(model: Any) -> dict[str, Any]:
    """Finds the optimizers of a model by the key of their learning rate.

    That is `learning_rate` for the optimizer of `compile`, and `learning_rate/<name>` for the
    parts of a `MultiOptimizer` and for optimizers in attributes of the model, as the two of a
    GAN.
    """
    found = {}
    main = getattr(model, "optimizer", None)
    if not LEGACY and isinstance(main, keras.optimizers.MultiOptimizer):
        found.update({f"learning_rate/{part.name}": part for part in main.optimizers})
    elif isinstance(main, keras.optimizers.Optimizer):
        found["learning_rate"] = main
    for name, value in vars(model).items():
        if isinstance(value, keras.optimizers.Optimizer) and value is not main:
            found[f"learning_rate/{name}"] = value
    return found


class _OptimizerRate:
    """The learning rate of one optimizer, by batch of the epoch."""

    def __init__(self, optimizer: Any, model: Any, *, batch_wise: bool) -> None:
        self._optimizer = unwrap_optimizer(optimizer)
        self.may_skip = self._optimizer is not optimizer
        self._rate = _rate_of(self._optimizer, model, batch_wise=batch_wise)
        self._noted: dict[int, int] = {}
        self._count = 0

    def start_epoch(self) -> None:
        self._count = batches_trained(self._optimizer)
        self._noted.clear()
        self._rate.forget_before(self._count)

    def note_batch(self, first: int) -> None:
        self._noted[first] = batches_trained(self._optimizer)

    def of_batch(self, first: int, last: int) -> Deferred:
        count = self._noted.pop(first, self._count + first)
        return self._rate.at(count + last - first)

    def of_last_batch(self) -> Deferred:
        return self._rate.at(batches_trained(self._optimizer) - 1)

    def close(self) -> None:
        self._rate.close()


class _Rate(Protocol):
    """A learning rate as a function of its optimizer's count of batches."""

    def at(self, count: int) -> Deferred:
        """Returns the rate of the batch before which the optimizer had seen `count` batches."""

    def forget_before(self, count: int) -> None:
        """Gives up what only earlier batches need."""

    def close(self) -> None:
        """Ends the observation."""


class _AssignedRate:
    """A rate in a variable, which callbacks may assign."""

    def __init__(self, optimizer: Any, model: Any, variable: Any) -> None:
        self._optimizer = optimizer
        self._model = model
        self._variable = variable
        self._history = [(-1, float(variable))]
        self._unobserve = _observe_assignments(variable, self._note)

    def at(self, count: int) -> float:
        history = self._history  # another thread may put a shorter one in its place
        return history[max(_entries_until(history, count) - 1, 0)][1]

    def forget_before(self, count: int) -> None:
        self._note()  # what was set without `assign`
        self._history = self._history[max(_entries_until(self._history, count) - 1, 0) :]

    def close(self) -> None:
        self._unobserve()

    def _note(self) -> None:
        if not state_is_in_variables(self._model):
            return
        rate = float(self._variable)
        if rate == self._history[-1][1]:
            return
        count = batches_trained(self._optimizer)
        if (
            count <= self._history[-1][0]
        ):  # set twice between two batches, or an older state is back
            self._history = self._history[: _entries_until(self._history, count - 1)]
        self._history.append((count, rate))


def _entries_until(history: list[tuple[int, float]], count: int) -> int:
    return bisect.bisect_right(history, count, key=lambda entry: entry[0])


class _ScheduledRate:
    """A rate from a schedule, evaluated on the host."""

    def __init__(self, schedule: Callable[[Any], Any], *, compiled: bool) -> None:
        self._schedule = _compile(schedule) if compiled else schedule

    def at(self, count: int) -> Deferred:
        return partial(self._evaluate, count)

    def forget_before(self, count: int) -> None:
        pass

    def close(self) -> None:
        pass

    def _evaluate(self, count: int) -> float:
        with _on_host():
            return float(self._schedule(count))


class _CalledRate:
    """A rate from a function without arguments, which knows only the current one."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function

    def at(self, count: int) -> float:  # noqa: ARG002  the function does not take it
        return float(self._function())

    def forget_before(self, count: int) -> None:
        pass

    def close(self) -> None:
        pass


def _rate_of(optimizer: Any, model: Any, *, batch_wise: bool) -> _Rate:
    setting = learning_rate_setting(optimizer)
    if isinstance(setting, keras.optimizers.schedules.LearningRateSchedule):
        # One evaluation an epoch is not worth a compilation, and a model that runs eagerly may
        # have a schedule that cannot be compiled.
        return _ScheduledRate(setting, compiled=batch_wise and not model.run_eagerly)
    if hasattr(setting, "assign"):
        return _AssignedRate(optimizer, model, setting)
    return _CalledRate(setting)


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


def _compile(schedule: Callable[[Any], Any]) -> Any:
    """Returns a schedule compiled for the host, where the backend compiles."""
    if backend() == "tensorflow":
        import tensorflow as tf

        with _on_host():
            return tf.function(schedule, input_signature=[tf.TensorSpec((), tf.int64)])
    if backend() == "jax":
        import jax

        return jax.jit(schedule)
    return schedule


@contextlib.contextmanager
def _on_host() -> Iterator[None]:
    """Places what Keras computes on the CPU: no wait for an accelerator that is training."""
    if LEGACY:
        yield
    else:
        with keras.device("cpu:0"):
            yield
