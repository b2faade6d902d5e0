"""What stands for a model's train function during a `fit` whose steps are looked at."""

import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Protocol

from wk_core.compat.keras.flavour import backend
from wk_core.compat.keras.hooks import current_callback_list
from wk_core.compat.keras.optimizers import find_optimizers
from wk_metrics.gradients.training_steps.backends import (
    ObservedStep,
    is_runtime_error,
    observed_steps,
    wait_for,
)
from wk_metrics.gradients.training_steps.pace import Pace
from wk_metrics.gradients.training_steps.records import Detail, Record


class Watcher(Protocol):
    """Looks at the steps of a `fit`.

    Its methods are called in the thread that trains, and must be fast.

    Attributes:
        details: What it may want of an execution.
    """

    details: Sequence[Detail]

    def wanted(self, first: int) -> Detail | None:
        """Returns what to take in the execution that begins with batch `first` of the epoch.

        If only norms are wanted, the pace may leave the execution out.
        """

    def take(self, record: Record) -> None:
        """Takes what is known of an execution; called whenever any watcher wanted something."""

    def report_unavailable(self, reason: Exception) -> None:
        """Reports that the steps of this `fit` cannot be looked at."""


class WatchedTrainFunction:
    """Runs Keras' own train function, or one that is looked at for the executions that are wanted.

    Keras calls it as it calls its own. A call that no `arm` has announced runs Keras' own: what an
    interrupted `fit` leaves behind changes nothing.

    Args:
        model: The model, whose `fit` is about to begin.
        every: The number of executions from one whose norms are taken to the next; None to find
            out.

    Attributes:
        pace: How often the norms are taken.
    """

    def __init__(self, model: Any, every: int | None) -> None:
        callbacks = current_callback_list()
        self._model = weakref.ref(model)
        self._callbacks = None if callbacks is None else weakref.ref(callbacks)
        self.pace = Pace(every)
        self._watchers: list[Watcher] = []
        self._first: int | None = None
        self._is_available = True
        self._wrap(model)
        if callbacks is not None:  # after a `fit` that was interrupted
            weakref.finalize(callbacks, self._leave).atexit = False

    @classmethod
    def of(cls, model: Any, every: int | None) -> "WatchedTrainFunction":
        """Returns the one that this `fit` of the model uses, and puts it in place if it is new.

        Args:
            model: The model.
            every: As for the class; of several callbacks that say it, the least counts.
        """
        present = model.train_function
        if not (isinstance(present, cls) and present._belongs_to(current_callback_list())):
            return cls(model, every)
        given = [number for number in (every, present.pace.every) if number is not None]
        present.pace = Pace(min(given, default=None))
        return present

    def add(self, watcher: Watcher) -> None:
        """Adds a watcher.

        Raises:
            ValueError: If it wants to look in full at other gradients than those before it.
        """
        self._watchers.append(watcher)
        full = [detail for each in self._watchers for detail in each.details if detail.full]
        if len({detail.accumulated for detail in full}) > 1:
            self.remove(watcher)
            raise ValueError("All callbacks of a `fit` must have the same `accumulated`.")

    def remove(self, watcher: Watcher) -> None:
        """Removes a watcher; without any, the model gets its own train function back."""
        if watcher in self._watchers:
            self._watchers.remove(watcher)
        if not self._watchers:
            self._leave()

    def arm(self, first: int) -> None:
        """Announces the execution that begins with batch `first` of the epoch."""
        model = self._model()
        if model is not None and self._is_available:
            if model.train_function is not self:  # it was compiled anew
                self._wrap(model)
            if not self._steps:
                self._make_steps(model)
        self._first = first

    def __call__(self, *arguments: Any) -> Any:
        """Runs an execution."""
        first, self._first = self._first, None
        if first is None or not self._is_available:
            return self._plain(*arguments)
        wanted = self._wanted(first)
        timed = self.pace.is_timing and (wanted is None or not wanted.full)
        start = time.perf_counter()
        result = self._plain(*arguments) if wanted is None else self._look(wanted, first, arguments)
        if timed:
            wait_for(result)
            self.pace.add(time.perf_counter() - start, watched=wanted is not None)
        return result

    def _wanted(self, first: int) -> Detail | None:
        wanted = _union(watcher.wanted(first) for watcher in self._watchers)
        is_due = self.pace.is_due()
        return wanted if wanted is None or wanted.full or is_due else None

    def _look(self, wanted: Detail, first: int, arguments: tuple[Any, ...]) -> Any:
        step = self._steps[wanted]
        result = step(*arguments) if wanted in self._ran else self._first_call(step, arguments)
        self._ran.add(wanted)
        if step.error is not None:
            self._stop_looking(step.error)
        if step.draws and self.pace.every != 1:
            self.pace = Pace(1)
        if self._is_available:
            record = Record(first, step.take())
            for watcher in self._watchers:
                watcher.take(record)
        return result

    def _first_call(self, step: ObservedStep, arguments: tuple[Any, ...]) -> Any:
        """Runs the step, which is traced now; Keras' own where that fails."""
        taken: list[Any] = []
        ahead = arguments
        if backend() == "jax":
            state, batches = arguments
            arguments = state, _recorded(batches, taken)
            ahead = state, chain(taken, batches)
        try:
            return step(*arguments)
        except Exception as error:
            if isinstance(error, StopIteration) or is_runtime_error(error):  # not of the tracing
                raise
            try:
                result = self._plain(*ahead)
            except Exception:
                raise error from None
            self._stop_looking(error)
            return result

    def _wrap(self, model: Any) -> None:
        present = model.train_function
        self._plain: Callable[..., Any] = (
            present._plain if isinstance(present, WatchedTrainFunction) else present
        )
        self._steps: dict[Detail, ObservedStep] = {}
        self._ran: set[Detail] = set()
        model.train_function = self

    def _make_steps(self, model: Any) -> None:
        """Makes the functions for all that may be wanted together, before JAX takes the weights."""
        optimizers = find_optimizers(model)
        details: set[Detail] = set()
        for watcher in self._watchers:
            details |= {one | other for one in watcher.details for other in details}
            details |= set(watcher.details)
        try:
            self._steps = observed_steps(model, optimizers, details)
            errors = [each.error for each in self._steps.values() if each.error is not None]
            if errors:
                self._stop_looking(errors[0])
        except Exception as error:
            self._stop_looking(error)

    def _stop_looking(self, reason: Exception) -> None:
        self._is_available = False
        for watcher in self._watchers:
            watcher.report_unavailable(reason)
        self._leave()

    def _leave(self) -> None:
        model = self._model()
        if model is not None and model.train_function is self:
            model.train_function = self._plain

    def _belongs_to(self, callbacks: Any) -> bool:
        return (
            callbacks is not None and self._callbacks is not None and self._callbacks() is callbacks
        )


def _union(details: Iterable[Detail | None]) -> Detail | None:
    wanted: Detail | None = None
    for detail in details:
        if detail is not None:
            wanted = detail if wanted is None else wanted | detail
    return wanted


def _recorded(batches: Iterator[Any], taken: list[Any]) -> Iterator[Any]:
    for batch in batches:
        taken.append(batch)
        yield batch
