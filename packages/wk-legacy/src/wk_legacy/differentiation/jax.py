"""Gradients on the JAX backend, by a compiled function."""

from typing import Any

import jax

from wk_legacy.differentiation.stateless import Stateless, StatelessLoss


def of_model(model: Any) -> Stateless:
    """Returns what takes the gradients of a model's loss."""
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

    compiled = add if model.run_eagerly else jax.jit(add, donate_argnums=1)

    def step(*arguments: Any) -> tuple[list[Any], Any, list[Any]]:
        return compiled([weight.value for weight in loss.weights], *arguments)

    return Stateless(loss, step)
