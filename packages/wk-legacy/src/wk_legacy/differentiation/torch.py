"""Gradients on the PyTorch backend, by its autograd."""

from collections.abc import Iterable
from typing import Any

import torch

from wk_legacy.differentiation import Totals
from wk_legacy.differentiation.stateless import Stateless, StatelessLoss
from wk_legacy.training_data import Batch


def of_model(model: Any) -> "_Kept":
    """Returns what takes the gradients of a model's loss."""
    return _Kept(model)


class _Kept:
    """Takes gradients, and puts back what modules of PyTorch's own may keep beside variables."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._loss = StatelessLoss(model)
        self._gradients = Stateless(self._loss, self._step)

    def totals(self, batches: Iterable[Batch], scale: float) -> Totals:
        """Adds up the gradients of batches."""
        buffers = [(buffer, buffer.clone()) for buffer in self._model.buffers()]
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            totals = self._gradients.totals(batches, scale)
        for buffer, kept in buffers:
            buffer.copy_(kept)
        return totals

    def _step(
        self,
        gradients: list[Any],
        total: Any,
        state: list[Any],
        batch: Any,
        scale: Any,
        factor: Any,
    ) -> tuple[list[Any], Any, list[Any]]:
        # The parameters themselves: a wrapped module of PyTorch's own knows no others.
        weights = [weight.value for weight in self._loss.weights]
        value, state = self._loss(weights, state, batch, float(scale))
        added = torch.autograd.grad(value, weights, allow_unused=True, materialize_grads=True)
        for gradient, one in zip(gradients, added, strict=True):
            gradient.add_(one, alpha=float(factor))
        return gradients, total + value.detach() * float(factor), [each.detach() for each in state]
