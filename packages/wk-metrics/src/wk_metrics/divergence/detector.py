"""Detects the first step, layer and weight at which a training diverges."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from wk_metrics.divergence.finding import Finding, Kind, Origin
from wk_metrics.divergence.norms import ENOUGH, StepNorms, UsualNorms, Vector

_SPREADS: Final = 6.0  # how many running spreads a norm may be over the largest usual one
_LASTS: Final = 3  # looks in a row
_HISTORY: Final = 64  # looks in which the beginning is searched for

# How many times over that limit is an explosion: at once, and in several looks in a row. Weights
# are slow, and do not come back. In logarithms.
_AT_ONCE: Final = {"gradient": log(1e4), "weight": log(1e2)}
_LASTING: Final = {"gradient": log(1e2), "weight": log(1e1)}
_EARLY: Final = log(1e2)  # times more, while a weight has shown few norms
_BEGINS: Final = log(1e1)  # where an explosion begins

Quantity = Literal["gradient", "weight"]
Trouble = Literal["not finite", "exploded"]


@dataclass(frozen=True)
class WeightInfo:
    """What the detector knows of a weight.

    Attributes:
        name: Its name.
        layer: The name of its layer.
        size: The number of its values.
    """

    name: str
    layer: str
    size: int


@dataclass(frozen=True)
class _Look:
    """What was seen at one moment: the weights before a step, or the gradients in it."""

    quantity: Quantity
    step: int
    previous: int | None  # the step that was looked at before
    norms: Vector
    logs: Vector


class DivergenceDetector:
    """Follows the norms of an optimizer's weights and gradients.

    A value that is not finite is a divergence, unless loss scaling skips the update. A norm
    explodes if it is far over the largest that was usual and over its own running spread: so far
    at once that nothing sane is, or less far several times in a row. The place is where that began.

    Args:
        weights: The weights, in the order of the forward pass.
        optimizer: The name of the optimizer, of several.
        skips_allowed: How many updates in a row loss scaling may skip.
    """

    def __init__(
        self, weights: Sequence[WeightInfo], *, optimizer: str = "", skips_allowed: int = 25
    ) -> None:
        self._weights = weights
        self._optimizer = optimizer
        self._skips_allowed = skips_allowed
        sizes = np.array([max(weight.size, 1) for weight in weights], float)
        self._usual = {
            "gradient": UsualNorms(np.zeros(len(weights))),
            "weight": UsualNorms(np.log(sizes) / 2),  # a root mean square of 1
        }
        self.restart()

    def restart(self) -> None:
        """Forgets the last steps, as after a model was put back, but not what is usual."""
        self._looks: deque[_Look] = deque(maxlen=2 * _HISTORY)
        self._none = np.zeros(len(self._weights), int)
        self._lasting = {"gradient": self._none, "weight": self._none}
        self._skipped = 0
        self._last_step: int | None = None

    def look(self, norms: StepNorms) -> Finding | None:
        """Looks at a step; returns what is wrong, if it is."""
        previous, self._last_step = self._last_step, norms.step
        if norms.skipped:
            return self._skip(norms)
        self._skipped = 0
        return self._judge("weight", norms.step, previous, norms.weights) or self._judge(
            "gradient", norms.step, previous, norms.gradients
        )

    def _skip(self, norms: StepNorms) -> Finding | None:
        self._skipped += 1
        if self._skipped <= self._skips_allowed:
            return None
        bad = ~np.isfinite(norms.gradients)
        look = _Look("gradient", norms.step, None, norms.gradients, norms.gradients)
        place = self._place("gradient", bad)
        return self._finding(look, place, "steps skipped", "loss scale", step=look.step, since=None)

    def _judge(
        self, quantity: Quantity, step: int, previous: int | None, norms: Vector
    ) -> Finding | None:
        usual = self._usual[quantity]
        with np.errstate(divide="ignore"):
            logs = np.log(norms)
        look = _Look(quantity, step, previous, norms, logs)
        finite = np.isfinite(norms)
        if not finite.all():
            return self._exploded() or self._located(look, ~finite, "not finite")
        self._looks.append(look)
        excess = usual.excess(logs, spreads=_SPREADS)
        if self._explodes(quantity, excess, usual.counts):
            return self._exploded() or self._located(look, excess > 0, "exploded")
        usual.add(logs)
        return None

    def _explodes(self, quantity: Quantity, excess: Vector, counts: NDArray[np.int_]) -> bool:
        """Returns whether norms exceed the usual so far at once, or several times in a row."""
        if excess.max() <= _LASTING[quantity]:
            self._lasting[quantity] = self._none
            return False
        excess = excess - np.where(counts < ENOUGH, _EARLY, 0.0)
        lasting = np.where(excess > _LASTING[quantity], self._lasting[quantity] + 1, 0)
        self._lasting[quantity] = lasting
        at_once = excess.max() > _AT_ONCE[quantity]
        return bool(at_once or (lasting.max() >= _LASTS and self._is_steep()))

    def _is_steep(self) -> bool:
        """Returns whether a gradient is at least as large as it was.

        Weights that grow while all gradients fall learn, as the bias of a model of large targets.
        """
        gradients = (look.logs for look in reversed(self._looks) if look.quantity == "gradient")
        last = next(gradients, None)
        return last is not None and bool(self._usual["gradient"].has_reached(last).any())

    def _exploded(self) -> Finding | None:
        """Returns where the explosion began that has led here, if one has.

        Gradients may explode with sane weights, as with Adam, and weights with sane gradients.
        """
        first: tuple[_Look, NDArray[np.bool_]] | None = None
        fine = 0
        for look in reversed(self._looks):
            spreads = _SPREADS / 2 if look.quantity == "gradient" else 0.0
            excess = self._usual[look.quantity].excess_over_oldest(look.logs, spreads=spreads)
            fine = 0 if excess.max() > _BEGINS else fine + 1
            if fine == 2:
                break
            if not fine:
                first = look, excess > 0
        return None if first is None else self._located(*first, "exploded")

    def _located(self, look: _Look, bad: NDArray[np.bool_], what: Trouble) -> Finding:
        """Returns what is wrong at a moment, of which some norms are bad."""
        step, origin = look.step, self._origin(look, bad)
        if origin in ("update", "unseen step"):
            step = max(step - 1, look.previous or 0)
        place = self._place(look.quantity, bad)
        kind: Kind = f"{look.quantity} {what}"  # type: ignore[assignment]  # one of the words
        return self._finding(look, place, kind, origin, step=step, since=look.previous)

    def _origin(self, look: _Look, bad: NDArray[np.bool_]) -> Origin:
        if look.quantity == "gradient":
            # A bias may stay small where the kernel beside it does not: the layer counts.
            nearest_the_loss = self._weights[-1].layer
            place = self._weights[self._place("gradient", bad)]
            return "loss" if place.layer == nearest_the_loss else "layer"
        if look.previous is None:
            return "initial weights"
        # Several updates may belong to one batch.
        return "update" if look.step - look.previous <= 1 else "unseen step"

    def _place(self, quantity: Quantity, bad: NDArray[np.bool_]) -> int:
        """Returns the index of the weight at fault.

        Gradients are computed from the loss to the inputs: of several bad ones, those of the layer
        nearest to the loss come first. An update changes all weights at once.
        """
        indices = [index for index, is_bad in enumerate(bad) if is_bad]
        if quantity == "weight":
            return indices[0]
        layer = self._weights[indices[-1]].layer
        return next(index for index in indices if self._weights[index].layer == layer)

    def _finding(
        self,
        look: _Look,
        place: int,
        kind: Kind,
        origin: Origin,
        *,
        step: int,
        since: int | None,
    ) -> Finding:
        usual = float(self._usual[look.quantity].largest[place])
        weight = self._weights[place]
        return Finding(
            step=step,
            since=since,
            kind=kind,
            origin=origin,
            layer=weight.layer,
            weight=weight.name,
            value=float(look.norms[place]),
            usual=usual if usual > 0 else float("nan"),
            optimizer=self._optimizer,
        )
