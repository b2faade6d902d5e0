"""What the updates of an optimizer come to, as entries of rows."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from wk_metrics.gradients.training_steps.bins import BINS, histogram
from wk_metrics.gradients.training_steps.records import ABSENT, Updates


@dataclass(frozen=True)
class Names:
    """The names of an optimizer's weights, for keys.

    Attributes:
        optimizer: Where the model has the optimizer; empty for that of `compile`.
        weights: The name of each weight.
        layers: The name of each weight's layer; None for a weight outside layers.
    """

    optimizer: str
    weights: list[str]
    layers: list[str | None]

    def number(self, prefix: str, name: str) -> str:
        """Returns the key of a number of all weights together, as `batch/grad_norm`."""
        return f"{prefix}/{name}" + (f"/{self.optimizer}" if self.optimizer else "")

    def part(self, prefix: str, name: str) -> str:
        """Returns the key of something of one layer or weight."""
        return f"{prefix}_gradients/" + (f"{self.optimizer}/" if self.optimizer else "") + name

    @cached_property
    def own_layers(self) -> list[str]:
        """The name of each layer that has weights, once."""
        return list(dict.fromkeys(layer for layer in self.layers if layer is not None))

    def layer_norms(self, norms: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Returns the norm of each layer's gradients, `ABSENT` where it has none.

        Args:
            norms: The norm of each weight's gradient, shape (updates, weights).

        Returns:
            Shape (updates, layers), in the order of `own_layers`.
        """
        columns, starts = self._columns
        norms = norms[:, columns]
        if not len(starts):
            return np.zeros((len(norms), 0))
        squares = np.add.reduceat(np.where(norms == ABSENT, 0.0, norms**2), starts, axis=1)
        given = np.add.reduceat(norms != ABSENT, starts, axis=1)
        return np.where(given, np.sqrt(squares), ABSENT)

    @cached_property
    def _columns(self) -> tuple[list[int], list[int]]:
        """The weights, layer after layer, and where in this order each layer begins."""
        numbers = {layer: number for number, layer in enumerate(self.own_layers)}
        owners = sorted(
            (numbers[layer], weight)
            for weight, layer in enumerate(self.layers)
            if layer is not None
        )
        layers = [number for number, _ in owners]
        return [weight for _, weight in owners], [
            layers.index(each) for each in sorted(set(layers))
        ]


class FullLook:
    """Adds up what full looks have found: their fixed bins let histograms be added.

    Args:
        names: The names of the weights.
    """

    def __init__(self, names: Names) -> None:
        width = len(names.weights)
        self._names = names
        self._looks = np.zeros(width, int)
        self._counts = np.zeros((width, BINS))
        self._least = np.full(width, np.inf)
        self._largest = np.full(width, -np.inf)
        self._others = np.zeros(width)
        self._ratios: list[list[float]] = [[] for _ in names.weights]

    def add(self, updates: Updates) -> None:
        """Adds the last of the updates, where it was looked at in full."""
        if not updates.has_full_look:
            return
        there = updates.norms[-1] != ABSENT
        least, largest, others = updates.extremes.T
        self._looks += there
        self._counts[there] += updates.counts[there]
        self._least[there] = np.minimum(self._least, least)[there]
        self._largest[there] = np.maximum(self._largest, largest)[there]
        self._others[there] += others[there]
        for number in np.flatnonzero(there & np.isfinite(updates.ratios)):
            self._ratios[number].append(float(updates.ratios[number]))

    def entries(self, prefix: str) -> dict[str, Any]:
        """Returns a row's entries of each weight that was looked at."""
        row: dict[str, Any] = {}
        for number in np.flatnonzero(self._looks):
            key = self._names.part(prefix, self._names.weights[number])
            counts, others = self._counts[number], int(self._others[number])
            row[f"{key}.gradient"] = histogram(counts, self._least[number], self._largest[number])
            if others:
                row[f"{key}.gradient.non_finite"] = others
            if self._ratios[number]:
                row[f"{key}.update_ratio"] = float(np.mean(self._ratios[number]))
        return row


class EpochGradients:
    """Sums up the updates of one optimizer in an epoch.

    Args:
        names: The names of its weights.

    Attributes:
        steps: How many steps were looked at.
    """

    def __init__(self, names: Names) -> None:
        self.names = names
        self._norms: list[float] = []
        self._layers: list[npt.NDArray[np.float64]] = []
        self._not_finite = 0
        self._skips = False
        self.steps = 0
        self._full = FullLook(names)

    def add(self, updates: Updates) -> None:
        """Adds the updates of an execution."""
        self._skips = updates.watched.skips
        self.steps += updates.steps
        finite = np.isfinite(updates.global_norms)
        self._norms += updates.global_norms[finite].tolist()
        self._layers.append(self.names.layer_norms(updates.norms[finite]))
        self._not_finite += updates.steps_not_finite
        self._full.add(updates)

    def entries(self) -> dict[str, Any]:
        """Returns the entries of the epoch's row; none if there was no update."""
        row: dict[str, Any] = {}
        if self._norms:
            row[self.names.number("epoch", "grad_norm")] = float(np.mean(self._norms))
            row[self.names.number("epoch", "grad_norm_max")] = max(self._norms)
        if self._skips and (self._norms or self._not_finite):
            row[self.names.number("epoch", "grad_skipped_steps")] = self._not_finite
        elif self._not_finite:
            row[self.names.number("epoch", "grad_non_finite_steps")] = self._not_finite
        layers = np.concatenate(self._layers) if self._layers else np.zeros((0, 0))
        for layer, norms in zip(self.names.own_layers, layers.T, strict=False):
            given = norms[norms != ABSENT]
            if len(given):
                key = self.names.part("epoch", layer)
                row[f"{key}.norm"] = float(given.mean())
                row[f"{key}.norm_max"] = float(given.max())
        return {**row, **self._full.entries("epoch")}


def batch_entries(names: Names, updates: Updates) -> dict[str, Any]:
    """Returns the entries of a batch's row: of the last update, where it was not skipped."""
    if not len(updates.norms):
        return {}
    norm = float(updates.global_norms[-1])
    if updates.watched.skips and not np.isfinite(norm):
        return {}
    row: dict[str, Any] = {names.number("batch", "grad_norm"): norm}
    if updates.has_full_look:
        (norms,) = names.layer_norms(updates.norms[-1:])
        for layer, value in zip(names.own_layers, norms, strict=True):
            if value != ABSENT:
                row[f"{names.part('batch', layer)}.norm"] = float(value)
        look = FullLook(names)
        look.add(updates)
        row |= look.entries("batch")
    return row
