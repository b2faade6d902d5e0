"""Uses of the metrics, by the kind of targets that they look at."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from layers.case import making
from wk_core.compat.keras.flavour import keras

__all__ = ["METRICS", "MetricCase"]

M = keras.metrics

Targets = Literal["numbers", "probability", "one_hot", "classes"]


@dataclass(frozen=True)
class MetricCase:
    """One use of a metric.

    Args:
        name: What its tests are called.
        make: Makes the metric.
        targets: What it looks at: an output of numbers; one probability; those of three classes,
            with a one-hot target, or with the class's number.
    """

    name: str
    make: Callable[[], Any]
    targets: Targets

    def __str__(self) -> str:
        return self.name


def _plain(targets: Targets, *names: str, **arguments: Any) -> list[MetricCase]:
    return [MetricCase(name, making(M, name, **arguments), targets) for name in names]


def _distance(targets: Any, outputs: Any) -> Any:
    return keras.ops.mean(keras.ops.abs(targets - outputs), axis=-1)


METRICS: tuple[MetricCase, ...] = (
    *_plain(
        "numbers",
        "Accuracy",
        "ConcordanceCorrelation",
        "CosineSimilarity",
        "LogCoshError",
        "MeanAbsoluteError",
        "MeanAbsolutePercentageError",
        "MeanSquaredError",
        "MeanSquaredLogarithmicError",
        "PearsonCorrelation",
        "R2Score",
        "RootMeanSquaredError",
    ),
    MetricCase("MeanMetricWrapper", lambda: M.MeanMetricWrapper(_distance), "numbers"),
    *_plain(
        "probability",
        "AUC",
        "BinaryAccuracy",
        "BinaryCrossentropy",
        "FalseNegatives",
        "FalsePositives",
        "Hinge",
        "Poisson",
        "Precision",
        "Recall",
        "SquaredHinge",
        "TrueNegatives",
        "TruePositives",
    ),
    MetricCase("BinaryIoU", lambda: M.BinaryIoU([0, 1], 0.5), "probability"),
    MetricCase("AUC of precision and recall", lambda: M.AUC(curve="PR"), "probability"),
    MetricCase("PrecisionAtRecall", lambda: M.PrecisionAtRecall(0.5), "probability"),
    MetricCase("RecallAtPrecision", lambda: M.RecallAtPrecision(0.5), "probability"),
    MetricCase("SensitivityAtSpecificity", lambda: M.SensitivityAtSpecificity(0.5), "probability"),
    MetricCase("SpecificityAtSensitivity", lambda: M.SpecificityAtSensitivity(0.5), "probability"),
    *_plain(
        "one_hot",
        "CategoricalAccuracy",
        "CategoricalCrossentropy",
        "CategoricalHinge",
        "F1Score",
        "FBetaScore",
        "KLDivergence",
    ),
    *_plain("one_hot", "OneHotMeanIoU", num_classes=3),
    MetricCase("OneHotIoU", lambda: M.OneHotIoU(3, [0, 2]), "one_hot"),
    *_plain("one_hot", "TopKCategoricalAccuracy", k=2),
    *_plain("classes", "SparseCategoricalAccuracy", "SparseCategoricalCrossentropy"),
    *_plain("classes", "SparseTopKCategoricalAccuracy", k=2),
    MetricCase("IoU", lambda: M.IoU(3, [0, 2], sparse_y_pred=False), "classes"),
    MetricCase("MeanIoU", lambda: M.MeanIoU(3, sparse_y_pred=False), "classes"),
)
