"""Charts of a run's workspace, in the forms that `wandb.plot` draws.

`wandb.plot.roc_curve` and `pr_curve` need scikit-learn and pandas for a few lines of arithmetic:
these are drawn by the same charts of W&B without them.
"""

import itertools
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import wandb

from wk_eval.plots.curves import Curve

# The most cells of a matrix, and the most points of all curves together, that a chart shows.
_MOST: Final = wandb.Table.MAX_ROWS
_POINTS: Final = 200


def confusion_chart(counts: npt.NDArray[np.int64], labels: Sequence[str]) -> Any:
    """Returns a confusion matrix as a chart, or None where it has more cells than a chart shows.

    Args:
        counts: Shape (classes, classes): how often a class, by row, was taken for one, by column.
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
    """Returns a curve for each class as a chart, thinned out where there are too many points.

    Args:
        curves: The curves, by class.
        title: The chart's title.
        x: The column of the curves' x.
        y: The column of the curves' y.
        x_title: What is written along the x axis.
        y_title: What is written along the y axis.
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
    """Returns a bar for each class as a chart."""
    table = wandb.Table(columns=["class", value], data=[list(each) for each in values.items()])
    return wandb.plot.bar(table, "class", value, title=title)


def scatter_chart(
    x: npt.NDArray[Any], y: npt.NDArray[Any], *, title: str, x_title: str, y_title: str
) -> Any:
    """Returns points as a chart, at equal distances in the data where there are too many."""
    chosen = np.arange(min(len(x), _MOST)) * len(x) // min(len(x), _MOST)
    rows = [[float(along), float(up)] for along, up in zip(x[chosen], y[chosen], strict=True)]
    table = wandb.Table(columns=[x_title, y_title], data=rows)
    return wandb.plot.scatter(table, x_title, y_title, title=title)
