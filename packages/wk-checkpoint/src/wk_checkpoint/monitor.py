"""Whether a model is better than all before it."""

import contextlib
import math
import operator
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wk_checkpoint.step import Moment
from wk_core.metric_direction import Direction, direction_of

__all__ = ["Judgement", "Monitor", "numbers_in"]


@dataclass(frozen=True)
class Judgement:
    """What the monitored metric says of a model.

    Attributes:
        value: The metric; None where it is missing or has no known direction.
        score: The same, but larger is better; None as above, and where the metric is NaN.
        mode: Whether less or more of it is better; None where there is no score.
        improves: Whether it is better than all that the callback has seen before it.
        decides: Whether it tells if the model is to be saved: the metric has been seen by now.
    """

    value: float | None = None
    score: float | None = None
    mode: Direction | None = None
    improves: bool = False
    decides: bool = True

    def describe(self, moment: Moment, monitor: str, before: float | None) -> str:
        """Returns in words what the metric says at a moment, compared with the best before it."""
        if self.value is None:
            return f"{moment.alias}: {monitor} is not known"
        best = "nothing" if before is None else f"{before:.5f}"
        verb = "improved" if self.improves else "did not improve"
        return f"{moment.alias}: {monitor} {verb} from {best}: {self.value:.5f}"


class Monitor:
    """Judges models by a metric, with the attributes of Keras' own callback.

    Args:
        callback: A `ModelCheckpoint`: its `monitor`, `mode` and `best` count.
        has_threshold: Whether it was given a value to improve upon.

    Attributes:
        has_seen: Whether the metric has had a value that is a number. What is missing, or NaN,
            afterwards comes and goes; before, nobody knows whether it exists.
    """

    def __init__(self, callback: Any, *, has_threshold: bool) -> None:
        self._callback = callback
        self._has_threshold = has_threshold
        self._missing_was_said = False
        self.has_seen = False

    def judge(self, logs: Mapping[str, float], model: Any) -> Judgement:
        """Returns what the metric says, and keeps it in mind as `callback.best` if it is better.

        NaN is never better. Where the metric is missing, and it decides what is saved, this warns
        once.

        Raises:
            ValueError: If nothing tells whether less or more of the metric is better, and it
                decides what is saved.
        """
        callback = self._callback
        value = logs.get(callback.monitor)
        if value is None or not self._has_direction(model):
            self._say_missing(logs, "missing")
            return Judgement(decides=self.has_seen)
        if math.isnan(value):
            if not self._has_threshold:  # else there is something to improve upon
                self._say_missing(logs, "NaN")
            return Judgement(value, decides=self.has_seen or self._has_threshold)
        self.has_seen = True
        mode: Direction = "max" if callback.monitor_op(1.0, 0.0) else "min"
        improves = callback.best is None or bool(callback.monitor_op(value, callback.best))
        if improves:
            callback.best = value
        return Judgement(value, value if mode == "max" else -value, mode, improves)

    def _has_direction(self, model: Any) -> bool:
        callback = self._callback
        if callback.monitor_op is None:
            try:
                # Keras' own inference, once the model's metrics are known.
                callback._set_monitor_op()
            except ValueError:
                direction = direction_of(callback.monitor, model)
                if direction is not None:
                    callback.monitor_op = operator.lt if direction == "min" else operator.gt
                elif callback.save_best_only:
                    raise
                else:
                    return False
        return True

    def _say_missing(self, logs: Mapping[str, float], what: str) -> None:
        if self._missing_was_said or self.has_seen or not self._callback.save_best_only:
            return
        self._missing_was_said = True
        there_are = ", ".join(map(repr, logs)) or "none"
        warnings.warn(
            f"WandbModelCheckpoint: save_best_only=True, but the metric {self._callback.monitor!r} "
            f"is {what} where it is due: every checkpoint is saved until it has a value. Metrics "
            f"there: {there_are}.",
            stacklevel=4,
        )


def numbers_in(logs: Mapping[str, Any]) -> dict[str, float]:
    """Returns those of Keras' logs that are single numbers."""
    numbers = {}
    for name, value in logs.items():
        with contextlib.suppress(TypeError, ValueError):
            numbers[name] = float(value)
    return numbers
