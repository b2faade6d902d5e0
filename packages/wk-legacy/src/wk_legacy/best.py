"""The best value of the monitored metric."""

import math
import warnings
from collections.abc import Mapping
from typing import Any, Literal

from wk_core.metric_direction import Direction, direction_of


class Best:
    """Keeps the best value that a metric has had.

    Args:
        monitor: The metric's name in Keras' logs.
        mode: Which of two values is better; `"auto"` goes by the metric.
        value: The best value so far; None if there is none.

    Attributes:
        direction: The same as `mode`, as soon as it is known.
    """

    def __init__(
        self, monitor: str, mode: Literal["auto", "min", "max"], value: float | None
    ) -> None:
        self._monitor = monitor
        self.value = value
        self.direction: Direction | None = None if mode == "auto" else mode
        self._missing_was_said = False

    def improves(self, logs: Mapping[str, float], model: Any) -> bool:
        """Tells whether an epoch is better than all before it, and keeps its value if so.

        NaN is never better. Where the metric is missing, this warns once.

        Raises:
            ValueError: If nothing tells whether less or more of the metric is better.
        """
        value = logs.get(self._monitor)
        if value is None:
            self._say_missing(logs)
            return False
        direction = self.direction = self.direction or self._inferred(model)
        if math.isnan(value):
            return False
        if self.value is not None and not (
            value < self.value if direction == "min" else value > self.value
        ):
            return False
        self.value = value
        return True

    def _inferred(self, model: Any) -> Direction:
        direction = direction_of(self._monitor, model)
        if direction is None:
            raise ValueError(
                "WandbCallback cannot tell whether less or more of the monitored metric is "
                "better: pass `mode='min'` or `mode='max'`. "
                f"Received: monitor={self._monitor!r}, mode='auto'"
            )
        return direction

    def _say_missing(self, logs: Mapping[str, float]) -> None:
        if self._missing_was_said:
            return
        self._missing_was_said = True
        there_are = ", ".join(map(repr, logs)) or "none"
        warnings.warn(
            f"WandbCallback: the monitored metric {self._monitor!r} is missing, so no epoch is "
            f"the best, and no model is saved for it. Metrics there: {there_are}.",
            stacklevel=4,
        )
