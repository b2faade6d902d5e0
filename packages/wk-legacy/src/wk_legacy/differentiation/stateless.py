"""Keras 3's stateless calls, on which the backends' differentiation stands."""

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import numpy as np

from wk_core.keras import keras
from wk_core.keras_training import training_loss, training_outputs
from wk_legacy.differentiation import Totals
from wk_legacy.training_data import Batch

Step: TypeAlias = Callable[..., tuple[list[Any], Any, list[Any]]]
"""Adds a batch: `(gradients, loss, state, batch, scale, factor)`, and returns the first three."""


class StatelessLoss:
    """The loss of a model in training, as a function without side effects.

    What the model assigns to its variables is kept from them: the statistics of normalisation, the
    state of random numbers and the metrics stay as they are.

    Args:
        model: A model that is built and compiled.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self.weights: list[Any] = list(model.trainable_variables)
        self._state: list[Any] = list(model.non_trainable_variables)

    def __call__(
        self, values: list[Any], state: list[Any], batch: Any, scale: Any
    ) -> tuple[Any, list[Any]]:
        """Returns the scaled loss of a batch, and the state after it.

        Args:
            values: The values of the weights.
            state: The values of the other variables.
            batch: `(x, y, sample_weight)`.
            scale: What the loss is multiplied with.
        """
        x, y, sample_weight = batch
        mapping = zip([*self.weights, *self._state], [*values, *state], strict=True)
        with keras.StatelessScope(state_mapping=mapping, collect_losses=True) as scope:
            outputs = training_outputs(self._model, x)
            loss = training_loss(self._model, x, y, outputs, sample_weight)
            after = [scope.get_current_value(variable) for variable in self._state]
        return loss * keras.ops.cast(scale, loss.dtype), after

    def state(self) -> list[Any]:
        """Returns the values that the variables other than the weights have now."""
        return [variable.value for variable in self._state]


class Stateless:
    """Takes gradients batch by batch, with one backend's step.

    From batch to batch it carries on the state, as training does, and lets go of it in the end.

    Args:
        loss: The loss.
        step: What adds a batch.
    """

    def __init__(self, loss: StatelessLoss, step: Step) -> None:
        self._loss = loss
        self._step = step

    def totals(self, batches: Iterable[Batch], scale: float) -> Totals:
        """Adds up the gradients of batches."""
        gradients = [
            keras.ops.zeros(weight.shape, _precise(weight.dtype)) for weight in self._loss.weights
        ]
        loss, state = keras.ops.zeros(()), self._loss.state()
        samples = 0
        for batch in batches:
            samples += batch.count
            gradients, loss, state = self._step(
                gradients,
                loss,
                state,
                keras.tree.map_structure(_as_tensor, (batch.x, batch.y, batch.sample_weight)),
                np.float32(scale),
                np.float32(batch.count / scale),
            )
        return Totals(gradients, samples, loss)


def _precise(dtype: str) -> str:
    return "float64" if dtype == "float64" else "float32"


def _as_tensor(array: Any) -> Any:
    return keras.ops.convert_to_tensor(array) if isinstance(array, np.ndarray) else array
