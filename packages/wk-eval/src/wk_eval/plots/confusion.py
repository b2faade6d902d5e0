"""Confusion matrices of any number of classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import wandb

from wk_eval.plots.charts import confusion_chart
from wk_eval.plots.drawings import confusion_picture

MOST_CLASSES: Final = 1000
"""The most classes of a matrix. Its size is the square of their number."""


@dataclass(frozen=True)
class Confusion:
    """A confusion matrix; with more than `MOST_CLASSES`, of the most frequent classes.

    Attributes:
        counts: Shape (classes, classes): examples by true class, in rows, and predicted class.
        labels: The names of the classes.
    """

    counts: npt.NDArray[np.int64]
    labels: Sequence[str]

    @classmethod
    def of_pairs(
        cls, actual: npt.NDArray[Any], predicted: npt.NDArray[Any], labels: Sequence[str]
    ) -> "Confusion":
        """Counts pairs of classes.

        Args:
            actual: Shape (pairs,): the numbers of the true classes.
            predicted: Shape (pairs,): the numbers of the predicted classes.
            labels: The names of all classes.
        """
        numbers = np.concatenate([actual, predicted])
        shown = shown_classes(np.bincount(numbers, minlength=len(labels)))
        size = len(shown)
        position = np.full(len(labels), -1)
        position[shown] = np.arange(size)
        row, column = position[actual], position[predicted]
        known = (row >= 0) & (column >= 0)
        counts = np.bincount(row[known] * size + column[known], minlength=size * size)
        return cls(counts.reshape(size, size), [labels[number] for number in shown.tolist()])

    def report(self) -> dict[str, Any]:
        """Returns the matrix as a chart and as a picture; nothing if no class occurs."""
        if not len(self.labels):
            return {}
        return {
            "confusion_matrix": confusion_chart(self.counts, self.labels),
            "confusion_picture": wandb.Image(confusion_picture(self.counts, self.labels)),
        }


def shown_classes(
    occurrences: npt.NDArray[np.int64], most: int = MOST_CLASSES
) -> npt.NDArray[np.intp]:
    """Returns the numbers of the classes to show.

    These are all classes, up to `MOST_CLASSES`. With more, they are the most frequent classes, and
    only classes that occur.

    Args:
        occurrences: Shape (classes,): how often each class occurs.
        most: The most classes to show, if there are more than `MOST_CLASSES`.
    """
    if len(occurrences) <= MOST_CLASSES:
        return np.arange(len(occurrences))
    frequent = np.argsort(-occurrences, kind="stable")[:most]
    return np.sort(frequent[occurrences[frequent] > 0])


def say_what_is_left_out(name: str, count: int) -> None:
    """Prints that not all classes are shown, if there are too many.

    Args:
        name: The callback's class.
        count: The number of classes.
    """
    if count > MOST_CLASSES:
        wandb.termlog(
            f"{name}: of {count} classes, the confusion matrix, the curves and the summary show "
            f"those that occur in the examples, the matrix at most {MOST_CLASSES} of them."
        )
