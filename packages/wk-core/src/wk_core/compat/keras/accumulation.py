"""The gradients that an optimizer adds up over several steps before it moves the weights."""

from typing import Any, NamedTuple

from wk_core.compat.entries import stands_on
from wk_core.compat.keras.flavour import keras
from wk_core.compat.keras.optimizers import parts_of, unwrap_optimizer
from wk_core.compat.keras.saved_objects import trained_variables

__all__ = ["Accumulation", "accumulation_in_step", "accumulation_steps"]


class Accumulation(NamedTuple):
    """What an optimizer that accumulates gradients holds before it is given those of a step.

    Attributes:
        steps: The number of steps whose mean gradient moves the weights.
        left: How many steps after this one the weights are moved, a whole number in a tensor.
        sums: The sum of the gradients of the steps before, without the scale of mixed precision,
            by the identity of the weight.
    """

    steps: int
    left: Any
    sums: dict[int, Any]


def accumulation_steps(optimizer: Any) -> int:
    """Returns over how many steps an optimizer accumulates gradients; 1 where it does not.

    Raises:
        ValueError: If parts of it do so over different numbers of steps.
    """
    steps = {getattr(part, "gradient_accumulation_steps", None) or 1 for part in _parts(optimizer)}
    if len(steps) > 1:
        raise ValueError(
            "the parts of its optimizer accumulate gradients over different numbers of steps: "
            f"{sorted(steps)}"
        )
    return int(steps.pop())


@stands_on(
    "optimizer._accumulated_gradients",
    "optimizer._iterations",
    why="an optimizer does not say publicly what it has accumulated",
    versions="Keras 3.0 to 3.15",
    without="`WandbGradientLogger(accumulated=True)` says so, and logs no gradients",
)
def accumulation_in_step(optimizer: Any) -> Accumulation | None:
    """Returns what an optimizer has accumulated, within a step; None where it does not do so.

    Raises:
        ValueError: As for `accumulation_steps`.
        AttributeError: If this version of Keras keeps it elsewhere.
    """
    steps = accumulation_steps(optimizer)
    parts = [part for part in _parts(optimizer) if trained_variables(part)]
    if steps == 1 or not parts:
        return None
    left = steps - 1 - keras.ops.mod(parts[0]._iterations.value, steps)
    sums = {
        id(weight): each.value
        for part in parts
        for weight, each in zip(trained_variables(part), part._accumulated_gradients, strict=True)
    }
    return Accumulation(steps, left, sums)


def _parts(optimizer: Any) -> list[Any]:
    return parts_of(optimizer) or [unwrap_optimizer(optimizer)]
