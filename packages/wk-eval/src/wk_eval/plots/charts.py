"""Curves, and charts for a run's workspace, as `wandb.plot` makes them.

`wandb.plot.roc_curve` and `pr_curve` need scikit-learn and pandas for a few lines of arithmetic.
The charts here use the same presets of W&B without them.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import wandb

Floats = npt.NDArray[np.floating[Any]]

# The most rows of a chart: cells of a matrix, or points of all curves together.
_MOST: Final = wandb.Table.MAX_ROWS
_POINTS: Final = 200


@dataclass(frozen=True)
class Curve:
    """A curve with a point for each threshold at which it changes.

    Attributes:
        x: Shape (points,), highest threshold first.
        y: Shape (points,).
        area: The area below the curve; for a precision-recall curve, the average precision.
    """

    x: Floats
    y: Floats
    area: float

    def thinned(self, most: int) -> Iterator[tuple[float, float]]:
        """Yields at most `most` points, both ends included."""
        chosen = np.linspace(0, len(self.x) - 1, min(most, len(self.x))).round().astype(int)
        return zip(self.x[chosen], self.y[chosen], strict=True)


def roc_curve(is_class: npt.NDArray[np.bool_], scores: Floats) -> Curve | None:
    """Returns the true positive rate over the false positive rate; None if one is not defined.

    Args:
        is_class: Shape (examples,): whether an example has the class.
        scores: Shape (examples,): the class' score for each example.
    """
    true_positives, false_positives = _counts(is_class, scores)
    if not true_positives[-1] or not false_positives[-1]:
        return None
    x, y = false_positives / false_positives[-1], true_positives / true_positives[-1]
    return Curve(x, y, float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2)))


def precision_recall_curve(is_class: npt.NDArray[np.bool_], scores: Floats) -> Curve | None:
    """Returns the precision over the recall; None if no example has the class.

    Args:
        is_class: Shape (examples,): whether an example has the class.
        scores: Shape (examples,): the class' score for each example.
    """
    true_positives, false_positives = _counts(is_class, scores)
    if not true_positives[-1]:
        return None
    recall, precision = (
        true_positives[1:] / true_positives[-1],
        true_positives[1:] / (true_positives[1:] + false_positives[1:]),
    )
    area = float(np.sum(np.diff(recall, prepend=0.0) * precision))
    return Curve(np.append(0.0, recall), np.append(1.0, precision), area)


def _counts(is_class: npt.NDArray[np.bool_], scores: Floats) -> tuple[Floats, Floats]:
    """Returns true and false positives at each threshold; the first threshold passes none."""
    order = np.argsort(-scores, kind="stable")
    true_positives = np.cumsum(is_class[order], dtype=np.float64)
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    true_positives = true_positives[ends]
    return np.append(0.0, true_positives), np.append(0.0, ends + 1 - true_positives)


def confusion_chart(counts: npt.NDArray[np.int64], labels: Sequence[str]) -> Any:
    """Returns a confusion matrix as a chart, or None if it has more cells than a chart shows.

    Args:
        counts: Shape (classes, classes): examples by true class, in rows, and predicted class.
        labels: The names of the classes.
    """
    if counts.size > _MOST:
        return None
    cells = [
        [actual, predicted, int(counts[row, column])]
        for row, actual in enumerate(labels)
        for column, predicted in enumerate(labels)
    ]
    names: list[str | int] = ["Actual", "Predicted", "nPredictions"]
    return wandb.plot_table(
        data_table=wandb.Table(columns=names, data=cells),
        vega_spec_name="wandb/confusion_matrix/v1",
        fields={str(name): str(name) for name in names},
        string_fields={"title": "Confusion matrix"},
    )


def curve_chart(
    curves: dict[str, Curve], *, title: str, x: str, y: str, x_title: str, y_title: str
) -> Any:
    """Returns a chart with a curve for each class, with fewer points if there are too many.

    Args:
        curves: The curves, by class.
        title: The chart's title.
        x: The name of the column of x values.
        y: The name of the column of y values.
        x_title: The title of the x axis.
        y_title: The title of the y axis.
    """
    points = max(2, min(_POINTS, _MOST // max(len(curves), 1)))
    rows = [
        [label, float(along), float(up)]
        for label, curve in itertools.islice(curves.items(), _MOST // points)
        for along, up in curve.thinned(points)
    ]
    return wandb.plot_table(
        data_table=wandb.Table(columns=["class", x, y], data=rows),
        vega_spec_name="wandb/area-under-curve/v0",
        fields={"x": x, "y": y, "class": "class"},
        string_fields={"title": title, "x-axis-title": x_title, "y-axis-title": y_title},
    )


def bar_chart(values: dict[str, float], *, title: str, value: str) -> Any:
    """Returns a chart with a bar for each class."""
    table = wandb.Table(columns=["class", value], data=[list(each) for each in values.items()])
    return wandb.plot.bar(table, "class", value, title=title)


def scatter_chart(
    x: npt.NDArray[Any], y: npt.NDArray[Any], *, title: str, x_title: str, y_title: str
) -> Any:
    """Returns a chart of points, at equal distances in the data if there are too many."""
    chosen = np.arange(min(len(x), _MOST)) * len(x) // min(len(x), _MOST)
    rows = [[float(along), float(up)] for along, up in zip(x[chosen], y[chosen], strict=True)]
    table = wandb.Table(columns=[x_title, y_title], data=rows)
    return wandb.plot.scatter(table, x_title, y_title, title=title)
