"""Gradients on the JAX backend, by a compiled function."""

from typing import Any

import jax

from wk_core.compat.keras.training import is_compiled
from wk_metrics.gradients.differentiation.stateless import Stateless, StatelessLoss


def of_model(model: Any) -> Stateless:
    """Returns the differentiation of a model's loss."""
    loss = StatelessLoss(model)

    def add(
        values: list[Any],
        gradients: list[Any],
        total: Any,
        state: list[Any],
        batch: Any,
        scale: Any,
        factor: Any,
    ) -> tuple[list[Any], Any, list[Any]]:
        differentiated = jax.value_and_grad(loss, has_aux=True)
        (value, state), added = differentiated(values, state, batch, scale)
        gradients = [
            gradient + one.astype(gradient.dtype) * factor
            for gradient, one in zip(gradients, added, strict=True)
        ]
        return gradients, total + value * factor, state

    if not is_compiled(model):
        return Stateless(loss, add, goes_on_beside_training=False)
    devices = {device for weight in loss.weights for device in weight.value.devices()}
    beside = all(device.platform == "cpu" for device in devices)
    step = jax.jit(add, donate_argnums=1)
    return Stateless(loss, step, goes_on_beside_training=beside)
