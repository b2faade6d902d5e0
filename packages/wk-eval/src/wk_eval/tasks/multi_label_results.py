"""The predictions of a classifier in one epoch, for examples of several classes."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from wk_eval.plots.confusion import Confusion, shown_classes
from wk_eval.tasks.class_metrics import ClassSummary, class_curves
from wk_eval.tasks.classification_results import LEAST
from wk_eval.tasks.scores import Scores

# The most class names that a cell lists.
_MOST_NAMES: Final = 100


class MultiLabelResults:
    """Collects a classifier's predictions for examples of any number of classes.

    Args:
        classes: Shape (examples, classes): whether an example has a class.
        labels: The names of the classes.
        scores: Turns outputs into probabilities.
        top_k: The number of likeliest classes to keep.
        threshold: The probability from which a class counts as predicted.
        curves: Whether to keep all probabilities, for curves.
    """

    def __init__(
        self,
        classes: npt.NDArray[np.bool_],
        labels: Sequence[str],
        scores: Scores,
        *,
        top_k: int,
        threshold: float,
        curves: bool,
    ) -> None:
        count = len(classes)
        self._classes = classes
        self._labels = labels
        self._scores = scores
        self._threshold = threshold
        self._top = np.zeros((count, top_k), np.int32)
        self._top_scores = np.zeros((count, top_k), np.float32)
        self._predicted = np.zeros(classes.shape, bool)
        self._confidence = np.zeros(count, np.float32)
        self._losses = np.zeros(count, np.float32)
        self._known = np.zeros(count, bool)
        self._all = np.zeros(classes.shape, np.float32) if curves else None

    def add_batch(self, start: int, outputs: npt.NDArray[Any]) -> None:
        """Adds a batch of outputs, shape (n, classes)."""
        scores = self._scores(outputs)
        end = start + len(scores)
        truth = self._classes[start:end]
        top = np.argsort(-scores, axis=1, kind="stable")[:, : self._top.shape[1]]
        self._top[start:end] = top
        self._top_scores[start:end] = np.take_along_axis(scores, top, axis=1)
        self._predicted[start:end] = scores >= self._threshold
        self._confidence[start:end] = np.maximum(scores, 1 - scores).min(axis=1)
        likelihood = np.maximum(np.where(truth, scores, 1 - scores), LEAST)
        self._losses[start:end] = -np.log(likelihood).mean(axis=1)
        self._known[start:end] = np.isfinite(scores).all(axis=1)
        if self._all is not None:
            self._all[start:end] = scores

    @property
    def _correct(self) -> npt.NDArray[np.bool_]:
        exact: npt.NDArray[np.bool_] = (self._predicted == self._classes).all(axis=1)
        return self._known & exact

    def worst_first(self) -> npt.NDArray[np.intp]:
        """Returns example indices, highest loss first."""
        return np.argsort(-np.where(self._known, self._losses, np.inf), kind="stable")

    def cells(self, number: int) -> list[Any]:
        """Returns the same as for single labels; the confidence is of the least certain class."""
        if not self._known[number]:  # the model returned NaN
            return [[], False, None, None, [], []]
        return [
            self._names(self._predicted[number]),
            bool(self._correct[number]),
            float(self._confidence[number]),
            float(self._losses[number]),
            [self._labels[each] for each in self._top[number]],
            [float(each) for each in self._top_scores[number]],
        ]

    def caption(self, number: int) -> list[str]:
        """Returns the true labels, and the predicted labels."""
        is_, taken_for = self._names(self._classes[number]), self._names(self._predicted[number])
        return [f"is {', '.join(is_) or 'none'}", f"taken for {', '.join(taken_for) or 'none'}"]

    def tracked_values(self) -> list[Any]:
        """Returns the predicted labels of each example, as one text."""
        return [", ".join(self._names(row)) for row in self._predicted]

    def report(self) -> dict[str, Any]:
        """Returns metrics, the confusion matrix, the curves and the summary of the classes."""
        truth, predicted = self._classes[self._known], self._predicted[self._known]
        summary = ClassSummary(
            self._labels,
            truth.sum(axis=0),
            predicted.sum(axis=0),
            (truth & predicted).sum(axis=0),
        )
        shown = shown_classes(truth.sum(axis=0) + predicted.sum(axis=0))
        counts = _taken_for(truth[:, shown], predicted[:, shown])
        confusion = Confusion(counts, [*(self._labels[each] for each in shown.tolist()), "(none)"])
        charts, areas = (
            ({}, {})
            if self._all is None or not len(truth)
            else class_curves(self._labels, lambda number: truth[:, number], self._all[self._known])
        )
        return {
            "accuracy": float(self._correct.mean()),
            "loss": float(self._losses.mean()),
            **summary.averages(),
            **confusion.report(),
            **charts,
            "classes": summary.table(**areas),
        }

    def _names(self, chosen: npt.NDArray[np.bool_]) -> list[str]:
        numbers = np.flatnonzero(chosen).tolist()
        names = [self._labels[number] for number in numbers[:_MOST_NAMES]]
        more = len(numbers) - len(names)
        return [*names, f"({more} more)"] if more else names


def _taken_for(
    truth: npt.NDArray[np.bool_], predicted: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """Returns a confusion matrix with a last row and column for none.

    The diagonal counts true positives. A false negative counts in the column of each class that is
    a false positive of the same example, or in the last column if there is none.
    """
    classes = truth.shape[1]
    counts = np.zeros((classes + 1, classes + 1), np.int64)
    false_negatives, false_positives = truth & ~predicted, predicted & ~truth
    counts[:classes, :classes] = false_negatives.T.astype(np.int64) @ false_positives.astype(
        np.int64
    )
    counts[np.arange(classes), np.arange(classes)] = (truth & predicted).sum(axis=0)
    counts[:classes, classes] = false_negatives[~false_positives.any(axis=1)].sum(axis=0)
    counts[classes, :classes] = false_positives[~false_negatives.any(axis=1)].sum(axis=0)
    return counts
