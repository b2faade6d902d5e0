"""What looks at the updates of an optimizer whose step assigns variables."""

import abc
from collections.abc import Callable, Sequence
from typing import Any

from wk_core.compat.keras.accumulation import (
    Accumulation,
    accumulation_in_step,
    accumulation_steps,
)
from wk_core.compat.keras.flavour import skips_overflows
from wk_core.compat.keras.optimizers import build_optimizer
from wk_core.compat.keras.saved_objects import trained_variables
from wk_core.compat.keras.train_function import (
    Shadow,
    observed_update,
    second_train_function,
    shadowed,
)
from wk_metrics.gradients.training_steps.records import Detail, Updates, Watched
from wk_metrics.gradients.training_steps.rows import Given, WeightRows


class Observer(abc.ABC):
    """Looks at the updates of one optimizer, from within.

    Args:
        model: The model.
        place: Where the model has the optimizer.
        optimizer: The optimizer.
        detail: What is taken.

    Attributes:
        optimizer: The optimizer.
        error: What went wrong in looking; None if nothing did.
        draws: Whether the graph of the step has random numbers of its own.
    """

    def __init__(self, model: Any, place: str, optimizer: Any, detail: Detail) -> None:
        self.optimizer = optimizer
        self.error: Exception | None = None
        self.draws = False
        self._place = place
        self._detail = detail
        self._rows: WeightRows | None = None
        weights = trained_variables(optimizer)
        if not weights and optimizer is getattr(model, "optimizer", None) and model.built:
            weights = model.trainable_variables
        if weights:
            self._begin(weights)

    def observe(self, gradients: list[Any], weights: list[Any], update: Callable[[], Any]) -> Any:
        """Looks at an update, and makes it; stands for the optimizer's own method."""
        if self.error is not None:
            return update()
        try:
            if self._detail.accumulated:  # what it adds up in is there from its first step on
                build_optimizer(self.optimizer, weights)
            rows = self._rows or self._begin(trained_variables(self.optimizer) or weights)
            given = rows.given(gradients, weights)
            before = self._look(given) if given.rows else None
        except Exception as error:
            self.error = error
            return update()
        result = update()
        if before is not None and self._detail.full:
            try:
                self._look_after(given, before)
            except Exception as error:
                self.error = error
        return result

    def take(self, detail: Detail) -> Updates | None:
        """Returns what was taken since `clear`; None where the optimizer was never applied.

        Args:
            detail: What was asked for, of what can be taken.
        """
        if self._rows is None or (tensors := self._tensors(detail)) is None:
            return None
        watched = Watched(
            self._place,
            self._rows.weights,
            skips_overflows(self.optimizer),
            accumulation_steps(self.optimizer),
        )
        return Updates(watched, detail, tensors)

    def _accumulation(self) -> Accumulation | None:
        """Returns what the optimizer has accumulated, where it is taken and there is some."""
        return accumulation_in_step(self.optimizer) if self._detail.accumulated else None

    @abc.abstractmethod
    def clear(self) -> None:
        """Forgets what was taken."""

    @abc.abstractmethod
    def _make_state(self, width: int) -> None:
        """Makes what holds the statistics of so many weights."""

    @abc.abstractmethod
    def _look(self, given: Given) -> Sequence[Any]:
        """Takes the statistics of an update to come; returns the weights' values."""

    @abc.abstractmethod
    def _look_after(self, given: Given, before: Sequence[Any]) -> None:
        """Takes how far an update moved the weights from their values before."""

    @abc.abstractmethod
    def _tensors(self, detail: Detail) -> dict[str, Any] | None:
        """Returns what was taken; None if nothing was."""

    def _begin(self, weights: list[Any]) -> WeightRows:
        self._make_state(len(weights))
        self._rows = WeightRows(weights)
        return self._rows


class StepOfObservers:
    """A train function during whose calls observers look at the updates.

    Args:
        model: The model.
        observers: One for each optimizer.
        detail: What is taken.
    """

    def __init__(self, model: Any, observers: Sequence[Observer], detail: Detail) -> None:
        self._detail = detail
        self._observers = observers
        self._function = second_train_function(model, self._shadows())

    @property
    def error(self) -> Exception | None:
        """What went wrong in looking; None if nothing did."""
        return next((each.error for each in self._observers if each.error is not None), None)

    @property
    def draws(self) -> bool:
        """Whether the graph of the step has random numbers of its own."""
        return any(each.draws for each in self._observers)

    def __call__(self, *arguments: Any) -> Any:
        """Runs Keras' step on the next batches."""
        for observer in self._observers:
            observer.clear()
        with shadowed(self._shadows()):
            return self._function(*arguments)

    def take(self, detail: Detail | None = None) -> list[Updates]:
        """Returns what was taken of the last call.

        Args:
            detail: What was asked for; None for all that can be taken.
        """
        taken = (each.take(self._detail if detail is None else detail) for each in self._observers)
        return [updates for updates in taken if updates is not None]

    def _shadows(self) -> list[Shadow]:
        return [observed_update(each.optimizer, each.observe) for each in self._observers]
