"""Statistics of updates on PyTorch: tensors that are kept beside the step."""

from collections.abc import Collection, Sequence
from typing import Any, Final

import torch

from wk_core.compat.keras.flavour import scale_in_step
from wk_metrics.gradients.training_steps.backends.observer import Observer, StepOfObservers
from wk_metrics.gradients.training_steps.numerics import torch as numerics
from wk_metrics.gradients.training_steps.records import Detail
from wk_metrics.gradients.training_steps.rows import Given


def steps_of(
    model: Any, optimizers: dict[str, Any], details: Collection[Detail]
) -> dict[Detail, StepOfObservers]:
    """Makes train functions of a model that take statistics."""
    return {
        detail: StepOfObservers(
            model,
            [_Observer(model, place, each, detail) for place, each in optimizers.items()],
            detail,
        )
        for detail in details
    }


class _Observer(Observer):
    """Keeps the statistics of each update."""

    def __init__(self, model: Any, place: str, optimizer: Any, detail: Detail) -> None:
        self._steps: list[Any] = []
        self._last: dict[str, Any] = {}
        super().__init__(model, place, optimizer, detail)

    def clear(self) -> None:
        """Forgets what was taken."""
        self._steps, self._last = [], {}

    def _tensors(self, detail: Detail) -> dict[str, Any] | None:  # noqa: ARG002
        return {"steps": torch.stack(self._steps), **self._last} if self._steps else None

    def _make_state(self, width: int) -> None:
        self._width = width

    def _look(self, given: Given) -> Sequence[Any]:
        with torch.no_grad():
            return self._look_before(given)

    def _look_after(self, given: Given, before: Sequence[Any]) -> None:
        with torch.no_grad():
            after = [weight.value.detach() for weight in given.weights]
            moved = numerics.norms([new - old for new, old in zip(after, before, strict=True)])
            self._keep("moved", list(torch.stack([moved, numerics.norms(before)], 1)), given)

    def _look_before(self, given: Given) -> Sequence[Any]:
        weights = [weight.value.detach() for weight in given.weights]
        scale = scale_in_step(self.optimizer)
        values = [numerics.values_of(each, scale) for each in given.gradients]
        norms = numerics.norms(values)
        row = [torch.ones(1, device=norms.device), self._placed(norms, given)]
        if self._detail.weight_norms:
            row.append(self._placed(numerics.norms(weights), given))
        if self._detail.accumulated:
            left = torch.zeros(1, device=norms.device)
            if (accumulation := self._accumulation()) is not None:
                left = left + accumulation.left
                sums = [accumulation.sums[id(weight)] for weight in given.weights]
                pairs = zip(values, sums, strict=True)
                values = [(value + total) / accumulation.steps for value, total in pairs]
                norms = numerics.norms(values)
            row += [left, self._placed(norms, given)]
        self._steps.append(torch.cat(row))
        if not self._detail.full:
            return weights
        pairs = zip(values, torch.isfinite(norms).tolist(), strict=True)
        extremes = [numerics.extremes(each, are_finite=finite) for each, finite in pairs]
        self._keep("extremes", extremes, given)
        self._keep("counts", [numerics.counts(each) for each in values], given)
        return [weight.clone() for weight in weights]

    def _keep(self, name: str, values: list[Any], given: Given) -> None:
        self._last[name] = self._placed(torch.stack(values), given)

    def _placed(self, values: Any, given: Given) -> Any:
        return numerics.placed(values, given.rows, self._width)


RUNTIME_ERRORS: Final[tuple[type[Exception], ...]] = ()
"""What a step raises while it runs, as opposed to while it is traced: it never is."""


def wait_for(result: Any) -> None:  # noqa: ARG001  it is for all that was asked of the device
    """Waits until the device has finished a step, whose result this is."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
