"""The gradients of a model's loss, by the differentiation of Keras' backend."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, TypeAlias

from wk_core.keras import LEGACY, backend
from wk_metrics.gradients.training_data import Batch


@dataclass(frozen=True)
class Totals:
    """What the batches of some data add up to.

    Attributes:
        gradients: For each weight, the sum over the batches of its gradient times the number of
            samples, in 32 bits or more: tensors of the backend.
        samples: How many samples there were.
        loss: The sum over the batches of the loss times the number of samples: a tensor.
    """

    gradients: list[Any]
    samples: int
    loss: Any


Pass: TypeAlias = Callable[[Iterable[Batch], float], Totals]
"""Adds up the gradients of batches.

It takes the batches, and what the loss is multiplied with before it is differentiated, and its
gradients are divided by, so that those of half precision do not vanish.
"""


class Differentiation(Protocol):
    """Takes the gradients of a model's loss, and leaves no trace in the model."""

    @property
    def goes_on_beside_training(self) -> bool:
        """Whether a pass may go on in another thread while the model trains."""

    def begin_pass(self) -> Pass:
        """Returns what takes the gradients at the values that the weights have now."""


def differentiation_of(model: Any) -> Differentiation:
    """Returns what takes the gradients of a model's loss with respect to its trainable weights.

    Args:
        model: A model that is built and compiled.
    """
    name = "keras2" if LEGACY else backend()
    made: Differentiation = import_module(f"{__name__}.{name}").of_model(model)
    return made
