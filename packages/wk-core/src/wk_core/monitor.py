"""Whether a metric is better than before, and whether less or more of it is better."""

import math
import operator
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from wk_core.compat.keras.flavour import all_metrics, own_direction

__all__ = ["BestValue", "Direction", "MonitoredMetric", "metric_direction"]

Direction: TypeAlias = Literal["min", "max"]

_MORE: Final = re.compile(
    "acc|accuracy|auc|auprc|auroc|bleu|correlation|dice|f1|f2|fbeta|fmeasure|iou|jaccard|kappa|"
    "precision|psnr|r2|recall|sensitivity|similarity|specificity|ssim"
)
_LESS: Final = re.compile(
    "cer|crossentropy|divergence|err|error|hinge|kld|logcosh|loss|mae|mape|mse|msle|nll|"
    "perplexity|poisson|rmse|rmsle|wer"
)

_Comparison: TypeAlias = Callable[[float, float], Any]


@dataclass
class MonitoredMetric:
    """A metric that a callback monitors, in the attributes of Keras' own callbacks.

    Attributes:
        monitor: Its name in Keras' logs.
        mode: Whether `"min"` or `"max"` is better; anything else infers it from the metric.
        best: The best value so far; None if there is none.
        monitor_op: Returns whether a first value is better than a second; None until the
            direction is known.
    """

    monitor: str
    mode: str = "auto"
    best: float | None = None
    monitor_op: Any = None


class BestValue:
    """Decides for one callback whether a metric is better than all its values before.

    Args:
        metric: The metric; a `keras.callbacks.ModelCheckpoint` has the same attributes.
        name: The callback's class, for errors and warnings.
        comparisons: The operators "less" and "greater".

    Example:
        ```python
        from wk_core.monitor import BestValue, MonitoredMetric

        best = BestValue(MonitoredMetric("loss", "min"), "MyCallback")
        assert best.direction(model=None) == "min"
        assert [best.improves(value) for value in (2.0, 3.0, 1.0)] == [True, False, True]
        ```
    """

    def __init__(
        self,
        metric: MonitoredMetric,
        name: str,
        comparisons: tuple[_Comparison, _Comparison] = (operator.lt, operator.gt),
    ) -> None:
        self._metric = metric
        self._name = name
        self._comparisons = comparisons
        self._has_warned = False

    def direction(self, model: Any) -> Direction | None:
        """Returns whether less or more is better, from now on; None where nothing tells."""
        metric = self._metric
        if metric.monitor_op is None:
            known = metric.mode in ("min", "max")
            found: Any = metric.mode if known else metric_direction(metric.monitor, model)
            if found is None:
                return None
            self.set_direction(found)
        return "max" if metric.monitor_op(1.0, 0.0) else "min"

    def required_direction(self, model: Any) -> Direction:
        """Returns whether less or more is better.

        Raises:
            ValueError: If nothing tells.
        """
        direction = self.direction(model)
        if direction is None:
            raise ValueError(
                f"{self._name} cannot tell whether less or more of the monitored metric is "
                "better: pass `mode='min'` or `mode='max'`. "
                f"Received: monitor={self._metric.monitor!r}, mode={self._metric.mode!r}"
            )
        return direction

    def set_direction(self, direction: Direction) -> None:
        """Sets whether less or more is better."""
        less, greater = self._comparisons
        self._metric.monitor_op = less if direction == "min" else greater

    def improves(self, value: float) -> bool:
        """Returns whether a value is better than the best so far, which it replaces then.

        NaN is never better; any number is better than none. The direction has to be known.
        """
        metric = self._metric
        if math.isnan(value):
            return False
        if metric.best is not None and not metric.monitor_op(value, metric.best):
            return False
        metric.best = value
        return True

    def warn_missing(
        self, logs: Mapping[str, float], consequence: str, *, what: str = "missing"
    ) -> None:
        """Warns, the first time only, that the logs do not have the metric."""
        if self._has_warned:
            return
        self._has_warned = True
        names = ", ".join(map(repr, logs)) or "none"
        warnings.warn(
            f"{self._name}: the monitored metric {self._metric.monitor!r} is {what}, so "
            f"{consequence}. Metrics there: {names}.",
            stacklevel=4,
        )


def metric_direction(metric: str, model: Any) -> Direction | None:
    """Returns whether less or more of a metric is better; None where nothing tells.

    The metric's own word counts first, as Keras 3 knows it once the model has been trained on a
    batch; then its name, and then its class's name: `my_auc` and `AUC(name="mine")` are known.

    Args:
        metric: Its name in Keras' logs, as `"val_loss"`.
        model: The compiled model.

    Example:
        ```python
        import keras
        from wk_core.monitor import metric_direction

        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile(loss="mse", metrics=["mae"])
        assert metric_direction("val_mae", model) == "min"
        ```
    """
    name = metric.removeprefix("val_")
    measures = _measures(name, model)
    own = {own_direction(measure) for measure in measures} - {None}
    if len(own) == 1:
        return own.pop()
    # Of metrics of several outputs that contradict one another, the classes do not tell either.
    classes = [] if own else [word for measure in measures for word in _class_words(measure)]
    return _told_by(_words(name)) or _told_by(classes)


def _measures(name: str, model: Any) -> list[Any]:
    """Returns the metrics of that name, with or without the name of an output before it."""
    found = [one for one in all_metrics(model) if name == one.name or name.endswith(f"_{one.name}")]
    longest = max((len(one.name) for one in found), default=0)
    return [one for one in found if len(one.name) == longest]


def _words(name: str) -> list[str]:
    """Returns the words of `top5_acc_2`, with and without their numbers."""
    words = re.findall("([a-z]+)([0-9]*)", name.lower())
    return [form for word, number in words for form in (word, word + number)]


def _class_words(measure: Any) -> list[str]:
    """Returns the words of the name of a metric's class, as `MeanIoU`: those it ends with."""
    name = type(measure).__name__.lower()
    return [name[start:] for start in range(len(name))]


def _told_by(words: list[str]) -> Direction | None:
    """Goes by the last telling word: of `accuracy_loss` less is better."""
    for word in reversed(words):
        if _MORE.fullmatch(word):
            return "max"
        if _LESS.fullmatch(word):
            return "min"
    return None
