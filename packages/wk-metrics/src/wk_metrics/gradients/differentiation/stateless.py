"""Differentiation with Keras 3's stateless calls, shared by its backends."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from wk_core.compat.keras.flavour import keras, map_structure, training_loss, training_outputs
from wk_core.compat.keras.layer_state import has_state_beside_variables
from wk_core.compat.keras.training import snapshot_value
from wk_core.preserved_state import preserve_state
from wk_metrics.gradients.differentiation import Pass, Totals
from wk_metrics.gradients.training_data import Batch

Step: TypeAlias = Callable[..., tuple[list[Any], Any, list[Any]]]
"""Adds a batch: `(weights, gradients, loss, state, batch, scale, factor)`.

Returns gradients, loss and state.
"""


class StatelessLoss:
    """The loss of a model in training, as a function without side effects.

    The variables keep their values: statistics of normalization, random numbers and metrics stay as
    they are.

    Args:
        model: A model that is built and compiled.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.weights: list[Any] = list(model.trainable_variables)
        self.state: list[Any] = list(model.non_trainable_variables)

    def __call__(
        self, values: list[Any], state: list[Any], batch: Any, scale: Any
    ) -> tuple[Any, list[Any]]:
        """Returns the scaled loss of a batch, and the state after it.

        Args:
            values: The values of the weights.
            state: The values of the other variables.
            batch: `(x, y, sample_weight)`.
            scale: The factor of the loss.
        """
        x, y, sample_weight = batch
        mapping = zip([*self.weights, *self.state], [*values, *state], strict=True)
        with keras.StatelessScope(state_mapping=mapping, collect_losses=True) as scope:
            outputs = training_outputs(self.model, x)
            loss = training_loss(self.model, x, y, outputs, sample_weight)
            after = [scope.get_current_value(variable) for variable in self.state]
        return loss * keras.ops.cast(scale, loss.dtype), after


class Stateless:
    """Computes gradients batch by batch, with one backend's step.

    The state passes from batch to batch as in training, and is dropped at the end.

    Args:
        loss: The loss.
        step: Adds a batch.
        goes_on_beside_training: Whether a pass may run while the model trains: if the step is
            compiled, and if memory is not scarce, as it is on accelerators. It never runs while
            layers keep state outside of variables, which the step would write to.
    """

    def __init__(self, loss: StatelessLoss, step: Step, *, goes_on_beside_training: bool) -> None:
        self._loss = loss
        self._step = step
        self.goes_on_beside_training = goes_on_beside_training and not has_state_beside_variables(
            loss.model
        )

    def begin_pass(self) -> Pass:
        """Returns a function that computes gradients at the present values of the weights."""
        value_of = snapshot_value if self.goes_on_beside_training else _value
        return partial(
            self._totals,
            list(map(value_of, self._loss.weights)),
            list(map(value_of, self._loss.state)),
        )

    def _totals(
        self, weights: list[Any], state: list[Any], batches: Iterable[Batch], scale: float
    ) -> Totals:
        if self.goes_on_beside_training:
            return self._added_up(weights, state, batches, scale)
        with preserve_state(self._loss.model):
            return self._added_up(weights, state, batches, scale)

    def _added_up(
        self, weights: list[Any], state: list[Any], batches: Iterable[Batch], scale: float
    ) -> Totals:
        gradients = [
            keras.ops.zeros(weight.shape, _precise(weight.dtype)) for weight in self._loss.weights
        ]
        loss, samples = keras.ops.zeros(()), 0
        for batch in batches:
            samples += batch.count
            gradients, loss, state = self._step(
                weights,
                gradients,
                loss,
                state,
                map_structure(_as_tensor, (batch.x, batch.y, batch.sample_weight)),
                np.float32(scale),
                np.float32(batch.count / scale),
            )
        return Totals(gradients, samples, loss)


def _value(variable: Any) -> Any:
    return variable.value


def _precise(dtype: str) -> str:
    return "float64" if dtype == "float64" else "float32"


def _as_tensor(array: Any) -> Any:
    return keras.ops.convert_to_tensor(array) if isinstance(array, np.ndarray) else array
