"""Precision-recall and ROC curves of scores."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Curve:
    """A curve through all thresholds at which it turns.

    Attributes:
        x: Shape (points,), in the order of falling thresholds.
        y: Shape (points,).
        area: The area below it; of a precision-recall curve the average precision.
    """

    x: Floats
    y: Floats
    area: float

    def thinned(self, most: int) -> Iterator[tuple[float, float]]:
        """Yields points, as many as wanted at the most, both ends among them."""
        chosen = np.linspace(0, len(self.x) - 1, min(most, len(self.x))).round().astype(int)
        return zip(self.x[chosen], self.y[chosen], strict=True)


def roc_curve(is_class: npt.NDArray[np.bool_], scores: Floats) -> Curve | None:
    """Returns the true positive rate over the false positive rate; None where one has no meaning.

    Args:
        is_class: Shape (examples,): which examples are of the class.
        scores: Shape (examples,): how much the model takes each for one.
    """
    true_positives, false_positives = _counts(is_class, scores)
    if not true_positives[-1] or not false_positives[-1]:
        return None
    x, y = false_positives / false_positives[-1], true_positives / true_positives[-1]
    return Curve(x, y, float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2)))


def precision_recall_curve(is_class: npt.NDArray[np.bool_], scores: Floats) -> Curve | None:
    """Returns the precision over the recall; None where no example is of the class.

    Args:
        is_class: Shape (examples,): which examples are of the class.
        scores: Shape (examples,): how much the model takes each for one.
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
