"""Gradients of a model's loss on Keras' backend, with one module for each backend."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, TypeAlias

from wk_core.compat.keras.flavour import engine
from wk_metrics.gradients.training_data import Batch


@dataclass(frozen=True)
class Totals:
    """The sums over the batches of the data.

    Attributes:
        gradients: For each weight, the sum of its gradient times the number of samples, in 32 bits
            or more: tensors of the backend.
        samples: The number of samples.
        loss: The sum of the loss times the number of samples: a tensor.
    """

    gradients: list[Any]
    samples: int
    loss: Any


Pass: TypeAlias = Callable[[Iterable[Batch], float], Totals]
"""Sums the gradients of batches.

Its arguments are the batches and the scale of the loss: the loss is multiplied by it, and the
gradients are divided by it, so that gradients of half precision do not vanish.
"""


class Differentiation(Protocol):
    """Computes gradients of a model's loss, and changes nothing of the model."""

    @property
    def goes_on_beside_training(self) -> bool:
        """Whether a pass may run in another thread while the model trains."""

    def begin_pass(self) -> Pass:
        """Returns a function that computes gradients at the present values of the weights."""


def differentiation_of(model: Any) -> Differentiation:
    """Returns the `Differentiation` of a model's loss with respect to its trainable weights.

    Args:
        model: A model that is built and compiled.
    """
    name = engine()
    made: Differentiation = import_module(f"{__name__}.{name}").of_model(model)
    return made
