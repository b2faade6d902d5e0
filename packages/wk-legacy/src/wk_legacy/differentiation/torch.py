"""Gradients on the PyTorch backend, by its autograd."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import torch

from wk_legacy.differentiation import Pass, Totals
from wk_legacy.differentiation.stateless import Stateless, StatelessLoss
from wk_legacy.training_data import Batch


def of_model(model: Any) -> "_Kept":
    """Returns what takes the gradients of a model's loss."""
    return _Kept(model)


class _Kept:
    """Takes gradients, and puts back what modules of PyTorch's own may keep beside variables."""

    # The parameters themselves are what is differentiated by: training must not change them.
    goes_on_beside_training = False

    def __init__(self, model: Any) -> None:
        self._model = model
        loss = StatelessLoss(model)
        step = partial(_step, loss)
        self._gradients = Stateless(loss, step, goes_on_beside_training=False)

    def begin_pass(self) -> Pass:
        """Returns what takes the gradients at the values that the weights have now."""
        return partial(self._totals, self._gradients.begin_pass())

    def _totals(self, gradients: Pass, batches: Iterable[Batch], scale: float) -> Totals:
        buffers = [(buffer, buffer.clone()) for buffer in self._model.buffers()]
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            totals = gradients(batches, scale)
        for buffer, kept in buffers:
            buffer.copy_(kept)
        return totals


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
