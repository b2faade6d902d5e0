"""Detects the first step, layer and weight at which a training diverges."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from wk_metrics.divergence.finding import Finding, Kind, Origin
from wk_metrics.divergence.norms import ENOUGH, StepNorms, UsualNorms, Vector

_SPREADS: Final = 6.0  # how many running spreads a norm may be over the largest usual one
_LASTS: Final = 3  # looks in a row
_HISTORY: Final = 64  # looks in which the beginning is searched for

# How many times over that limit is an explosion: in one look, and in several in a row. Weights
# are slow, and do not come back.
_AT_ONCE: Final = {"gradient": 1e4, "weight": 1e2}
_LASTING: Final = {"gradient": 1e2, "weight": 1e1}
_EARLY: Final = 1e2  # times more, while a weight has shown few norms
_BEGINS: Final = 10.0  # times over the usual: where an explosion begins

Quantity = Literal["gradient", "weight"]


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
        none = np.zeros(len(self._weights), int)
        self._lasting = {"gradient": none, "weight": none}
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
        place = self._place("gradient", bad if bad.any() else ~bad)
        return self._finding(
            place, norms.gradients, norms.step, None, "steps skipped", "loss scale", "gradient"
        )

    def _judge(
        self, quantity: Quantity, step: int, previous: int | None, norms: Vector
    ) -> Finding | None:
        usual = self._usual[quantity]
        with np.errstate(divide="ignore"):
            logs = np.log(norms)
        look = _Look(quantity, step, previous, norms, logs)
        bad = ~np.isfinite(norms)
        if bad.any():
            return self._exploded() or self._not_finite(look, bad)
        excess = usual.excess(logs, spreads=_SPREADS)
        excess = excess - np.where(usual.counts < ENOUGH, np.log(_EARLY), 0.0)
        large = excess > np.log(_LASTING[quantity])
        self._lasting[quantity] = np.where(large, self._lasting[quantity] + 1, 0)
        self._looks.append(look)
        at_once = (excess > np.log(_AT_ONCE[quantity])).any()
        if at_once or ((self._lasting[quantity] >= _LASTS).any() and self._is_steep()):
            return self._exploded() or self._explosion(look, excess > 0)
        usual.add(logs)
        return None

    def _is_steep(self) -> bool:
        """Returns whether a gradient is at least as large as it was.

        Weights that grow while all gradients fall learn, as the bias of a model of large targets.
        """
        gradients = (look.logs for look in reversed(self._looks) if look.quantity == "gradient")
        last = next(gradients, None)
        return last is not None and bool(self._usual["gradient"].has_reached(last).any())

    def _not_finite(self, look: _Look, bad: NDArray[np.bool_]) -> Finding:
        kind: Kind = "gradient not finite" if look.quantity == "gradient" else "weight not finite"
        return self._located(look, bad, kind)

    def _explosion(self, look: _Look, large: NDArray[np.bool_]) -> Finding:
        kind: Kind = "gradient exploded" if look.quantity == "gradient" else "weight exploded"
        return self._located(look, large, kind)

    def _exploded(self) -> Finding | None:
        """Returns where the explosion began that has led here, if one has.

        Gradients may explode with sane weights, as with Adam, and weights with sane gradients.
        """
        first: tuple[_Look, NDArray[np.bool_]] | None = None
        fine = 0
        for look in reversed(self._looks):
            spreads = _SPREADS / 2 if look.quantity == "gradient" else 0.0
            excess = self._usual[look.quantity].excess_over_oldest(look.logs, spreads=spreads)
            fine = 0 if (excess > np.log(_BEGINS)).any() else fine + 1
            if fine == 2:
                break
            if not fine:
                first = look, excess > 0
        return None if first is None else self._explosion(*first)

    def _located(self, look: _Look, bad: NDArray[np.bool_], kind: Kind) -> Finding:
        place = self._place(look.quantity, bad)
        if look.quantity == "gradient":
            origin: Origin = "loss" if bad[-1] else "layer"
            return self._finding(
                place, look.norms, look.step, look.previous, kind, origin, look.quantity
            )
        if look.previous is None:
            origin, step = "initial weights", look.step
        else:
            origin, step = "update", look.step - 1
        return self._finding(place, look.norms, step, look.previous, kind, origin, look.quantity)

    def _place(self, quantity: Quantity, bad: NDArray[np.bool_]) -> int:
        """Returns the index of the weight at fault.

        Gradients are computed from the loss to the inputs: of several bad ones, those of the layer
        nearest to the loss come first. An update changes all weights at once.
        """
        (indices,) = np.nonzero(bad)
        if quantity == "weight":
            return int(indices[0])
        layer = self._weights[indices[-1]].layer
        return int(next(index for index in indices if self._weights[index].layer == layer))

    def _finding(
        self,
        place: int,
        norms: Vector,
        step: int,
        since: int | None,
        kind: Kind,
        origin: Origin,
        quantity: Quantity,
    ) -> Finding:
        usual = float(self._usual[quantity].largest[place])
        return Finding(
            step=step,
            since=since,
            kind=kind,
            origin=origin,
            layer=self._weights[place].layer,
            weight=self._weights[place].name,
            value=float(norms[place]),
            usual=usual if usual > 0 else float("nan"),
            optimizer=self._optimizer,
        )
