"""Gradients on the TensorFlow backend, by a compiled function."""

from typing import Any

import tensorflow as tf

from wk_core.compat.keras.training import is_compiled
from wk_metrics.gradients.differentiation.stateless import Stateless, StatelessLoss


def of_model(model: Any) -> Stateless:
    """Returns the differentiation of a model's loss."""
    loss = StatelessLoss(model)

    def step(
        values: list[Any],
        gradients: list[Any],
        total: Any,
        state: list[Any],
        batch: Any,
        scale: Any,
        factor: Any,
    ) -> tuple[list[Any], Any, list[Any]]:
        values = [tf.convert_to_tensor(value) for value in values]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            value, state = loss(values, state, batch, scale)
        added = tape.gradient(value, values, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        gradients = [
            # The gradient of an embedding is sparse.
            gradient + tf.cast(tf.convert_to_tensor(one), gradient.dtype) * _as(factor, gradient)
            for gradient, one in zip(gradients, added, strict=True)
        ]
        return gradients, total + tf.cast(value, total.dtype) * factor, state

    if not is_compiled(model):
        return Stateless(loss, step, goes_on_beside_training=False)
    beside = all("CPU" in weight.value.device for weight in loss.weights)
    compiled = tf.function(step, reduce_retracing=True, autograph=False)
    return Stateless(loss, compiled, goes_on_beside_training=beside)


def _as(factor: Any, like: Any) -> Any:
    return tf.cast(factor, like.dtype)
