"""A train function that takes statistics of its updates, with one module for each backend."""

from collections.abc import Collection
from importlib import import_module
from typing import Any, Protocol

from wk_core.compat.keras.flavour import backend
from wk_metrics.gradients.training_steps.records import Detail, Updates


class ObservedStep(Protocol):
    """A model's train function that also takes statistics of its updates.

    Attributes:
        error: Why it cannot take any; None while it can. The step itself runs in any case.
        draws: Whether the step has random numbers of its own, which go on from call to call: then
            no other function may run in its place. Known after the first call.
    """

    error: Exception | None
    draws: bool

    def __call__(self, *arguments: Any) -> Any:
        """Runs Keras' step on the next batches, and returns what that returns."""

    def take(self) -> list[Updates]:
        """Returns what was taken of the last call, without waiting for the device."""


def observed_steps(
    model: Any, optimizers: dict[str, Any], details: Collection[Detail]
) -> dict[Detail, ObservedStep]:
    """Makes train functions of a model that take statistics.

    Args:
        model: A model that is compiled, between two executions of its steps.
        optimizers: The optimizers, by their place in the model.
        details: What is taken, by one function each.
    """
    made: dict[Detail, ObservedStep] = _module().steps_of(model, optimizers, details)
    return made


def is_runtime_error(error: Exception) -> bool:
    """Returns whether a step raises an error while it runs, not while it is traced."""
    errors: tuple[type[Exception], ...] = _module().RUNTIME_ERRORS
    return isinstance(error, errors)


def wait_for(result: Any) -> None:
    """Waits until the device has finished a step, whose result this is."""
    _module().wait_for(result)


def _module() -> Any:
    return import_module(f"{__name__}.{backend()}")
