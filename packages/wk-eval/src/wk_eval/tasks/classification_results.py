"""The predictions of a classifier in one epoch."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from wk_eval.plots.confusion import Confusion
from wk_eval.tasks.class_metrics import ClassSummary, class_curves
from wk_eval.tasks.scores import Scores

LEAST: Final = 1e-7
"""The lowest probability in a loss, which would be infinite for 0; as in Keras."""


class ClassificationResults:
    """Collects a classifier's predictions for examples of one class each.

    Args:
        classes: Shape (examples,): the number of each example's class.
        labels: The names of the classes.
        scores: Turns outputs into probabilities.
        top_k: The number of likeliest classes to keep.
        curves: Whether to keep all probabilities, for curves.
    """

    def __init__(
        self,
        classes: npt.NDArray[np.intp],
        labels: Sequence[str],
        scores: Scores,
        *,
        top_k: int,
        curves: bool,
    ) -> None:
        count = len(classes)
        self._classes = classes
        self._labels = labels
        self._scores = scores
        self._top = np.zeros((count, top_k), np.int32)
        self._top_scores = np.zeros((count, top_k), np.float32)
        self._losses = np.zeros(count, np.float32)
        self._known = np.zeros(count, bool)
        self._all = np.zeros((count, len(labels)), np.float32) if curves else None

    def add_batch(self, start: int, outputs: npt.NDArray[Any]) -> None:
        """Adds a batch of outputs, shape (n, classes or 1)."""
        scores = self._scores(outputs)
        end = start + len(scores)
        top = np.argsort(-scores, axis=1, kind="stable")[:, : self._top.shape[1]]
        self._top[start:end] = top
        self._top_scores[start:end] = np.take_along_axis(scores, top, axis=1)
        of_class = scores[np.arange(len(scores)), self._classes[start:end]]
        self._losses[start:end] = -np.log(np.maximum(of_class, LEAST))
        self._known[start:end] = np.isfinite(scores).all(axis=1)
        if self._all is not None:
            self._all[start:end] = scores

    @property
    def _correct(self) -> npt.NDArray[np.bool_]:
        correct: npt.NDArray[np.bool_] = self._known & (self._top[:, 0] == self._classes)
        return correct

    def worst_first(self) -> npt.NDArray[np.intp]:
        """Returns example indices, highest loss first."""
        return np.argsort(-np.where(self._known, self._losses, np.inf), kind="stable")

    def cells(self, number: int) -> list[Any]:
        """Returns prediction, correctness, probability, loss, likeliest labels and their scores."""
        if not self._known[number]:  # the model returned NaN
            return [None, False, None, None, [], []]
        labels = [self._labels[each] for each in self._top[number]]
        scores = [float(each) for each in self._top_scores[number]]
        loss = float(self._losses[number])
        return [labels[0], bool(self._correct[number]), scores[0], loss, labels, scores]

    def caption(self, number: int) -> list[str]:
        """Returns the true label, and the predicted label with its probability."""
        prediction, _, confidence, *_ = self.cells(number)
        taken_for = "NaN" if prediction is None else f"{prediction} {confidence:.0%}"
        return [f"is {self._labels[self._classes[number]]}", f"taken for {taken_for}"]

    def tracked_values(self) -> list[Any]:
        """Returns the predicted labels."""
        return [
            self._labels[first] if known else None
            for first, known in zip(self._top[:, 0], self._known, strict=True)
        ]

    def report(self) -> dict[str, Any]:
        """Returns metrics, the confusion matrix, the curves and the summary of the classes."""
        size = len(self._labels)
        actual, predicted = self._classes[self._known], self._top[self._known, 0]
        summary = ClassSummary(
            self._labels,
            np.bincount(self._classes, minlength=size),
            np.bincount(predicted, minlength=size),
            np.bincount(actual[actual == predicted], minlength=size),
        )
        charts, areas = self._curves()
        return {
            "accuracy": float(self._correct.mean()),
            "loss": float(self._losses.mean()),
            **summary.averages(),
            **Confusion.of_pairs(actual, predicted, self._labels).report(),
            **charts,
            "classes": summary.table(**areas),
        }

    def _curves(self) -> tuple[dict[str, Any], dict[str, dict[str, float]]]:
        if self._all is None or not self._known.any():
            return {}, {}
        classes, scores = self._classes[self._known], self._all[self._known]
        return class_curves(self._labels, lambda number: classes == number, scores)
