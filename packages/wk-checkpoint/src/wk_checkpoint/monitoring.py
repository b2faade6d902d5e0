"""Whether a model is better than all before it."""

import contextlib
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wk_checkpoint.moment import Moment

__all__ = ["Judgement", "Monitor", "numbers_in"]


@dataclass(frozen=True)
class Judgement:
    """What the monitored metric says of a model.

    Attributes:
        value: The metric; None where it is missing or has no known direction.
        score: The same, but larger is better; None as above, and where the metric is NaN.
        is_best: Whether it is better than all before it.
    """

    value: float | None = None
    score: float | None = None
    is_best: bool = False

    def describe(self, moment: Moment, monitor: str, before: float | None) -> str:
        """Returns in words what the metric says at a moment, compared with the best before it."""
        if self.value is None:
            return f"{moment.alias}: {monitor} is not known"
        best = "nothing" if before is None else f"{before:.5f}"
        verb = "improved" if self.is_best else "did not improve"
        return f"{moment.alias}: {monitor} {verb} from {best}: {self.value:.5f}"


class Monitor:
    """Judges models by a metric, with the attributes of Keras' own callback.

    Args:
        callback: A `ModelCheckpoint`: its `monitor`, `mode` and `best` count.
    """

    def __init__(self, callback: Any) -> None:
        self._callback = callback
        self._missing_was_said = False

    def judge(self, logs: Mapping[str, float]) -> Judgement:
        """Returns what the metric says, and keeps it in mind as `callback.best` if it is better.

        NaN is never better. Where the metric is missing, and it decides what is saved, this warns
        once.

        Raises:
            ValueError: If nothing tells whether less or more of the metric is better, and it
                decides what is saved.
        """
        callback = self._callback
        value = logs.get(callback.monitor)
        if value is None or not self._has_direction():
            self._say_missing(logs)
            return Judgement()
        if math.isnan(value):
            return Judgement(value)
        score = value if callback.monitor_op(1.0, 0.0) else -value
        is_best = callback.best is None or bool(callback.monitor_op(value, callback.best))
        if is_best:
            callback.best = value
        return Judgement(value, score, is_best)

    def _has_direction(self) -> bool:
        if self._callback.monitor_op is None:
            try:
                # Keras' own inference, once the model's metrics are known.
                self._callback._set_monitor_op()
            except ValueError:
                if self._callback.save_best_only:
                    raise
                return False
        return True

    def _say_missing(self, logs: Mapping[str, float]) -> None:
        if self._missing_was_said or not self._callback.save_best_only:
            return
        self._missing_was_said = True
        there_are = ", ".join(map(repr, logs)) or "none"
        warnings.warn(
            f"WandbModelCheckpoint: save_best_only=True, but the metric {self._callback.monitor!r} "
            f"is missing where it is due: every checkpoint is saved. Metrics there: {there_are}.",
            stacklevel=4,
        )


def numbers_in(logs: Mapping[str, Any]) -> dict[str, float]:
    """Returns those of Keras' logs that are single numbers."""
    numbers = {}
    for name, value in logs.items():
        with contextlib.suppress(TypeError, ValueError):
            numbers[name] = float(value)
    return numbers
