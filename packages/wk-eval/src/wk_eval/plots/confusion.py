"""Which classes were taken for which, for any number of classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import wandb

from wk_eval.plots.charts import confusion_chart
from wk_eval.plots.drawings import confusion_picture

MOST_CLASSES: Final = 1000
"""The most classes that a matrix has, whose size is the square of their number."""


@dataclass(frozen=True)
class Confusion:
    """A confusion matrix; above `MOST_CLASSES` of the classes that occur most often.

    Attributes:
        counts: Shape (classes, classes): how often a class, by row, was taken for one, by column.
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
            predicted: Shape (pairs,): the numbers of the predicted ones.
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
        """Returns the matrix as a chart and as a picture; neither where no class occurs."""
        if not len(self.labels):
            return {}
        return {
            "confusion_matrix": confusion_chart(self.counts, self.labels),
            "confusion_picture": wandb.Image(confusion_picture(self.counts, self.labels)),
        }


def shown_classes(
    occurrences: npt.NDArray[np.int64], most: int = MOST_CLASSES
) -> npt.NDArray[np.intp]:
    """Returns the numbers of the classes that are shown: all of them where they are not many.

    Else those that occur, and where these are too many the most frequent ones.

    Args:
        occurrences: Shape (classes,): how often each one occurs.
        most: How many classes are shown.
    """
    if len(occurrences) <= MOST_CLASSES:
        return np.arange(len(occurrences))
    frequent = np.argsort(-occurrences, kind="stable")[:most]
    return np.sort(frequent[occurrences[frequent] > 0])


def say_what_is_left_out(name: str, count: int) -> None:
    """Says that not all classes are shown, where there are too many of them.

    Args:
        name: The callback's class.
        count: How many classes there are.
    """
    if count > MOST_CLASSES:
        wandb.termlog(
            f"{name}: of {count} classes, the confusion matrix, the curves and the summary show "
            f"those that occur in the examples, the matrix at most {MOST_CLASSES} of them."
        )
