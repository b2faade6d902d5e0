"""Gradients on Keras 2, by a compiled function."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from wk_core.compat.keras.flavour import map_structure, training_loss, training_outputs
from wk_core.compat.keras.training import is_compiled
from wk_core.preserved_state import preserve_state
from wk_metrics.gradients.differentiation import Pass, Totals
from wk_metrics.gradients.training_data import Batch


def of_model(model: Any) -> "_Restoring":
    """Returns the differentiation of a model's loss."""
    return _Restoring(model)


class _Restoring:
    """Computes gradients, and restores the variables that Keras 2 assigns meanwhile."""

    goes_on_beside_training = False  # it reads and assigns the model's own variables

    def __init__(self, model: Any) -> None:
        self._model = model
        self._weights = list(model.trainable_variables)
        self._step = (
            tf.function(self._add, reduce_retracing=True) if is_compiled(model) else self._add
        )

    def begin_pass(self) -> Pass:
        """Returns a function that computes gradients at the present values of the weights."""
        return self._totals

    def _totals(self, batches: Iterable[Batch], scale: float) -> Totals:
        gradients = [tf.zeros(weight.shape, _precise(weight.dtype)) for weight in self._weights]
        loss, samples = tf.zeros(()), 0
        with preserve_state(self._model, weights=True, in_python=True):
            for batch in batches:
                samples += batch.count
                gradients, loss = self._step(
                    gradients,
                    loss,
                    map_structure(_as_tensor, (batch.x, batch.y, batch.sample_weight)),
                    np.float32(scale),
                    np.float32(batch.count / scale),
                )
        return Totals(gradients, samples, loss)

    def _add(
        self, gradients: list[Any], total: Any, batch: Any, scale: Any, factor: Any
    ) -> tuple[list[Any], Any]:
        x, y, sample_weight = batch
        with tf.GradientTape() as tape:
            outputs = training_outputs(self._model, x)
            loss = training_loss(self._model, x, y, outputs, sample_weight)
            value = loss * tf.cast(scale, loss.dtype)
        zero = tf.UnconnectedGradients.ZERO
        added = tape.gradient(value, self._weights, unconnected_gradients=zero)
        gradients = [
            # The gradient of an embedding is sparse.
            gradient + tf.cast(tf.convert_to_tensor(one), gradient.dtype) * _as(factor, gradient)
            for gradient, one in zip(gradients, added, strict=True)
        ]
        return gradients, total + tf.cast(value, total.dtype) * factor


def _precise(dtype: Any) -> Any:
    return tf.float64 if dtype == tf.float64 else tf.float32


def _as(factor: Any, like: Any) -> Any:
    return tf.cast(factor, like.dtype)


def _as_tensor(array: Any) -> Any:
    return tf.convert_to_tensor(array) if isinstance(array, np.ndarray) else array
