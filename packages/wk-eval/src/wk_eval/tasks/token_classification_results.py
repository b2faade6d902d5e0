"""The predicted classes of the tokens of texts in one epoch."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from wk_eval.plots.confusion import Confusion
from wk_eval.tasks.class_metrics import ClassSummary
from wk_eval.tasks.scores import Scores


class TokenResults:
    """Collects the predicted classes of tokens.

    Args:
        classes: Shape (texts, tokens): the true classes; -1 for tokens without one.
        labels: The names of the classes.
        scores: Turns outputs into probabilities.
        tokens: Returns the tokens of a text, given its index.
    """

    def __init__(
        self,
        classes: npt.NDArray[np.int64],
        labels: Sequence[str],
        scores: Scores,
        tokens: Callable[[int], list[str]],
    ) -> None:
        self._classes = classes
        self._counted = classes >= 0
        self._labels = labels
        self._scores = scores
        self._tokens = tokens
        self._predicted = np.full(classes.shape, -1, np.int64)

    def add_batch(self, start: int, outputs: npt.NDArray[Any]) -> None:
        """Adds a batch of outputs, shape (n, tokens, classes)."""
        scores = self._scores(outputs)
        known = np.isfinite(scores).all(axis=-1)
        self._predicted[start : start + len(scores)] = np.where(known, scores.argmax(axis=-1), -1)

    @property
    def _shares(self) -> npt.NDArray[np.float64]:
        """The accuracy of each text; NaN for a text without classes."""
        right = ((self._predicted == self._classes) & self._counted).sum(axis=1)
        count = self._counted.sum(axis=1)
        shares: npt.NDArray[np.float64] = np.divide(
            right, count, out=np.full(len(count), np.nan), where=count > 0
        )
        return shares

    def worst_first(self) -> npt.NDArray[np.intp]:
        """Returns text indices, lowest accuracy first."""
        return np.argsort(self._shares, kind="stable")

    def cells(self, number: int) -> list[Any]:
        """Returns the predicted classes, the wrong predictions, and the accuracy."""
        counted = self._counted[number]
        predicted = [self._name(each) for each in self._predicted[number][counted]]
        share = float(self._shares[number])
        return [predicted, "; ".join(self._mistakes(number)), share if share == share else None]

    def caption(self, number: int) -> list[str]:
        """Returns the first wrong predictions."""
        return self._mistakes(number)[:2]

    def tracked_values(self) -> list[Any]:
        """Returns the accuracy of each text."""
        return [float(share) for share in self._shares]

    def report(self) -> dict[str, Any]:
        """Returns metrics, the confusion matrix and the summary of the classes."""
        size = len(self._labels)
        known = self._counted & (self._predicted >= 0)
        actual, predicted = self._classes[known], self._predicted[known]
        right = actual[actual == predicted]
        support = np.bincount(self._classes[self._counted], minlength=size)
        if not support.sum():
            return {}
        summary = ClassSummary(
            self._labels,
            support,
            np.bincount(predicted, minlength=size),
            np.bincount(right, minlength=size),
        )
        return {
            "accuracy": float(len(right) / support.sum()),
            **summary.averages(),
            **Confusion.of_pairs(actual, predicted, self._labels).report(),
            "classes": summary.table(),
        }

    def _mistakes(self, number: int) -> list[str]:
        """Returns the token, its true and its predicted class, for each wrong prediction."""
        tokens = self._tokens(number)
        truth, predicted = self._classes[number], self._predicted[number]
        wrong = np.flatnonzero(self._counted[number] & (truth != predicted)).tolist()
        return [
            f"{tokens[at] if at < len(tokens) else at}: {self._name(truth[at])} taken for "
            f"{self._name(predicted[at])}"
            for at in wrong
        ]

    def _name(self, number: Any) -> str:
        return self._labels[int(number)] if number >= 0 else "NaN"
