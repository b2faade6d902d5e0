"""Gradients on the PyTorch backend, by its autograd."""

from functools import partial
from typing import Any

import torch

from wk_metrics.gradients.differentiation.stateless import Stateless, StatelessLoss


def of_model(model: Any) -> Stateless:
    """Returns the differentiation of a model's loss."""
    loss = StatelessLoss(model)
    # It differentiates by the parameters themselves, which training must not change meanwhile.
    return Stateless(loss, partial(_step, loss), goes_on_beside_training=False)


def _step(
    loss: StatelessLoss,
    weights: list[Any],
    gradients: list[Any],
    total: Any,
    state: list[Any],
    batch: Any,
    scale: Any,
    factor: Any,
) -> tuple[list[Any], Any, list[Any]]:
    value, state = loss(weights, state, batch, float(scale))
    added = torch.autograd.grad(value, weights, allow_unused=True, materialize_grads=True)
    for gradient, one in zip(gradients, added, strict=True):
        gradient.add_(one, alpha=float(factor))
    return gradients, total + value.detach() * float(factor), [each.detach() for each in state]
