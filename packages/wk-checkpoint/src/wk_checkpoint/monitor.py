"""Whether a model is better than all before it."""

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wk_core.compat.keras.flavour import comparisons
from wk_core.monitor import Direction, metric_direction

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
    """

    value: float | None = None
    score: float | None = None
    mode: Direction | None = None
    improves: bool = False
    decides: bool = True

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
        callback: A `ModelCheckpoint`, with its `monitor`, `mode`, `monitor_op` and `best`.
        has_threshold: Whether the callback was given a value to improve upon.

    Attributes:
        has_seen: Whether the metric has ever been a number. Before, it may not exist at all;
            afterwards, it is only absent from some epochs.
    """

    def __init__(self, callback: Any, *, has_threshold: bool) -> None:
        self._callback = callback
        self._has_threshold = has_threshold
        self._missing_was_reported = False
        self.has_seen = False

    def check(self, logs: Mapping[str, float], model: Any) -> MonitorResult:
        """Compares the metric with the best value, which it replaces if it is better.

        NaN is never better. Warns once if the metric is missing and decides what is saved.

        Raises:
            ValueError: If the metric decides what is saved, and its direction is unknown.
        """
        callback = self._callback
        value = logs.get(callback.monitor)
        if value is None or not self._has_direction(model):
            self._report_missing(logs, "missing")
            return MonitorResult(decides=self.has_seen)
        if math.isnan(value):
            if not self._has_threshold:  # otherwise there is a value to improve upon
                self._report_missing(logs, "NaN")
            return MonitorResult(value, decides=self.has_seen or self._has_threshold)
        self.has_seen = True
        mode: Direction = "max" if callback.monitor_op(1.0, 0.0) else "min"
        improves = callback.best is None or bool(callback.monitor_op(value, callback.best))
        if improves:
            callback.best = value
        return MonitorResult(value, value if mode == "max" else -value, mode, improves)

    def accept(self, logs: Mapping[str, float], model: Any, direction: Direction) -> MonitorResult:
        """Records the metric as the best value, whatever it was before.

        Args:
            logs: The metrics by name.
            model: The model.
            direction: Whether less or more of the metric is better.
        """
        self._set_direction(direction)
        self._callback.best = None
        return self.check(logs, model)

    def _has_direction(self, model: Any) -> bool:
        callback = self._callback
        if callback.monitor_op is not None:
            return True
        known = callback.mode in ("min", "max")
        direction = callback.mode if known else metric_direction(callback.monitor, model)
        if direction is not None:
            self._set_direction(direction)
            return True
        if callback.save_best_only:
            raise ValueError(
                f"WandbModelCheckpoint(monitor={callback.monitor!r}, save_best_only=True): nothing "
                "tells whether less or more of this metric is better. Pass mode='max' if more is "
                "better, or mode='min' if less is."
            )
        return False

    def _set_direction(self, direction: Direction) -> None:
        # The operators of Keras' own callback, which compare in its default precision.
        less, greater = comparisons()
        self._callback.monitor_op = less if direction == "min" else greater

    def _report_missing(self, logs: Mapping[str, float], what: str) -> None:
        if self._missing_was_reported or self.has_seen or not self._callback.save_best_only:
            return
        self._missing_was_reported = True
        known = ", ".join(map(repr, logs)) or "none"
        warnings.warn(
            f"WandbModelCheckpoint: save_best_only=True, but the metric {self._callback.monitor!r} "
            f"is {what} where it is due: every checkpoint is saved until it has a value. Metrics "
            f"there: {known}.",
            stacklevel=4,
        )
