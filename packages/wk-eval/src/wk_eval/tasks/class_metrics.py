"""Metrics and curves of each class of a classifier."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import wandb

from wk_eval.plots.charts import Curve, Floats, curve_chart, precision_recall_curve, roc_curve
from wk_eval.plots.confusion import shown_classes


@dataclass(frozen=True)
class ClassSummary:
    """Counts of right and wrong predictions of each class.

    Attributes:
        labels: The names of the classes.
        support: Shape (classes,): the number of examples of each class.
        predicted: Shape (classes,): the number of examples predicted as each class.
        true_positives: Shape (classes,): the number of them predicted rightly.
    """

    labels: Sequence[str]
    support: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.int64]
    true_positives: npt.NDArray[np.int64]

    @property
    def precision(self) -> Floats:
        """The precision of each class; NaN for a class that was never predicted."""
        return _share(self.true_positives, self.predicted)

    @property
    def recall(self) -> Floats:
        """The recall of each class; NaN for a class without examples."""
        return _share(self.true_positives, self.support)

    @property
    def f1(self) -> Floats:
        """The F1 of each class; NaN for a class without examples and predictions."""
        return _share(2 * self.true_positives, self.support + self.predicted)

    def averages(self) -> dict[str, float]:
        """Returns the means over the classes for which they are defined."""
        values = {"precision": self.precision, "recall": self.recall, "f1": self.f1}
        return {
            key: float(known.mean())
            for key, each in values.items()
            if (known := each[np.isfinite(each)]).size
        }

    def table(self, **more: dict[str, float]) -> wandb.Table:
        """Returns a table with a row for each class.

        With very many classes, only the classes that occur have a row.

        Args:
            **more: More columns: values by class label. A cell without a value is None.
        """
        shown = shown_classes(self.support + self.predicted, wandb.Table.MAX_ROWS)
        columns: list[str | int] = [
            "class",
            "support",
            "predicted",
            "precision",
            "recall",
            "f1",
            *more,
        ]
        figures = np.stack([self.precision, self.recall, self.f1], axis=1)
        return wandb.Table(
            columns=columns,
            data=[
                [
                    self.labels[number],
                    int(self.support[number]),
                    int(self.predicted[number]),
                    *(float(each) if np.isfinite(each) else None for each in figures[number]),
                    *(values.get(self.labels[number]) for values in more.values()),
                ]
                for number in shown.tolist()
            ],
        )


def class_curves(
    labels: Sequence[str], of_class: Callable[[int], npt.NDArray[np.bool_]], scores: Floats
) -> tuple[dict[str, Any], dict[str, dict[str, float]]]:
    """Returns precision-recall and ROC charts, and the areas below the curves.

    Args:
        labels: The names of the classes.
        of_class: Returns whether each example has a class, given its number: shape (examples,).
        scores: Shape (examples, classes): the probabilities.

    Returns:
        The charts, by key; and the areas, by column of the table of classes and by label. A class
        whose curve is not defined is in neither.
    """
    precisions: dict[str, Curve] = {}
    rocs: dict[str, Curve] = {}
    for number, label in enumerate(labels):
        truth, score = of_class(number), scores[:, number]
        if not truth.any():
            continue
        if (curve := precision_recall_curve(truth, score)) is not None:
            precisions[label] = curve
        if (curve := roc_curve(truth, score)) is not None:
            rocs[label] = curve
    charts = {
        "precision_recall": curve_chart(
            precisions,
            title="Precision v. recall",
            x="recall",
            y="precision",
            x_title="Recall",
            y_title="Precision",
        ),
        "roc": curve_chart(
            rocs,
            title="ROC",
            x="fpr",
            y="tpr",
            x_title="False positive rate",
            y_title="True positive rate",
        ),
    }
    areas = {
        "average_precision": {label: curve.area for label, curve in precisions.items()},
        "roc_auc": {label: curve.area for label, curve in rocs.items()},
    }
    return charts, areas


def _share(part: npt.NDArray[np.int64], whole: npt.NDArray[np.int64]) -> Floats:
    shares: Floats = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
    return shares
