"""Whether a model is better than all before it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wk_core.compat.keras.flavour import comparisons
from wk_core.monitor import BestValue, Direction

__all__ = ["Monitor", "MonitorResult"]


@dataclass(frozen=True)
class MonitorResult:
    """The monitored metric of one model.

    Attributes:
        value: The metric; None if it is missing or its direction is unknown.
        score: The metric, with its sign changed if less is better; None as above, and for NaN.
        mode: Whether `"min"` or `"max"` of the metric is better; None if there is no score.
        improves: Whether the value is better than all that the callback has seen before.
        decides: Whether the metric decides if the model is saved: it has had a value by now.
        before: The best value before this one; None if there was none.
    """

    value: float | None = None
    score: float | None = None
    mode: Direction | None = None
    improves: bool = False
    decides: bool = True
    before: float | None = None

    def describe(self, step: str, monitor: str, before: float | None) -> str:
        """Returns a sentence that compares the metric at a step with the best value before it."""
        if self.value is None:
            return f"{step}: {monitor} is not known"
        best = "nothing" if before is None else f"{before:.5f}"
        verb = "improved" if self.improves else "did not improve"
        return f"{step}: {monitor} {verb} from {best}: {self.value:.5f}"


class Monitor:
    """Compares a metric with its best value, in the attributes of Keras' own callback.

    Args:
        callback: A `ModelCheckpoint`, with its `monitor`, `mode`, `monitor_op` and `best`, which
            users read and set.
        has_threshold: Whether the callback was given a value to improve upon.

    Attributes:
        has_seen: Whether the metric has ever been a number. Before, it may not exist at all;
            afterwards, it is only absent from some epochs.
    """

    def __init__(self, callback: Any, *, has_threshold: bool) -> None:
        self._callback = callback
        # The operators of Keras' own callback, which compare in its default precision.
        self._best = BestValue(callback, "WandbModelCheckpoint", comparisons())
        self._has_threshold = has_threshold
        self.has_seen = False

    def check(self, logs: Mapping[str, float], model: Any) -> MonitorResult:
        """Compares the metric with the best value, which it replaces if it is better.

        NaN is never better. Warns once if the metric is missing and decides what is saved.

        Raises:
            ValueError: If the metric decides what is saved, and its direction is unknown.
        """
        value = logs.get(self._callback.monitor)
        if value is None:
            self._warn_missing(logs, "missing")
            return MonitorResult(decides=self.has_seen)
        best, best_only = self._best, self._callback.save_best_only
        mode = best.required_direction(model) if best_only else best.direction(model)
        if mode is None:
            return MonitorResult(decides=self.has_seen)
        if math.isnan(value):
            if not self._has_threshold:  # otherwise there is a value to improve upon
                self._warn_missing(logs, "NaN")
            return MonitorResult(value, decides=self.has_seen or self._has_threshold)
        self.has_seen = True
        score = value if mode == "max" else -value
        before = self._callback.best
        return MonitorResult(value, score, mode, best.improves(value), before=before)

    def accept(self, logs: Mapping[str, float], model: Any, direction: Direction) -> MonitorResult:
        """Records the metric as the best value, whatever it was before.

        Args:
            logs: The metrics by name.
            model: The model.
            direction: Whether less or more of the metric is better.
        """
        self._best.set_direction(direction)
        self._callback.best = None
        return self.check(logs, model)

    def withdraw(self, result: MonitorResult) -> None:
        """Takes back that a value is the best one, unless a better one has come since."""
        if result.improves and self._callback.best == result.value:
            self._callback.best = result.before

    def _warn_missing(self, logs: Mapping[str, float], what: str) -> None:
        if self._callback.save_best_only and not self.has_seen:
            consequence = "save_best_only=True saves every checkpoint until it has a value"
            self._best.warn_missing(logs, consequence, what=f"{what} where it is due")
