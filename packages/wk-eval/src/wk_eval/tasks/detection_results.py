"""The detected boxes of one epoch."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from wk_eval.data.boxes import Boxes
from wk_eval.plots.charts import Curve, Floats, bar_chart, curve_chart


class DetectionResults:
    """Collects detected boxes and matches them with the true boxes.

    Boxes are matched in the order of their scores. A box is right if it overlaps enough with a true
    box of its class that no box before it has matched.

    Args:
        truth: The true boxes of each example.
        labels: The names of the classes.
        to_boxes: Turns a batch of outputs into the boxes of each picture.
        threshold: The score from which a box counts as a detection; the curves use all boxes.
        iou_threshold: The intersection over union from which a box is right.
    """

    def __init__(
        self,
        truth: Sequence[Boxes],
        labels: Sequence[str],
        to_boxes: Callable[[Any], list[Boxes]],
        *,
        threshold: float,
        iou_threshold: float,
    ) -> None:
        self._truth = truth
        self._labels = labels
        self._to_boxes = to_boxes
        self._threshold = threshold
        self._iou_threshold = iou_threshold
        self._detected: list[Boxes] = [_NO_BOXES] * len(truth)
        self._right: list[npt.NDArray[np.bool_]] = [np.zeros(0, bool)] * len(truth)

    def add_batch(self, start: int, outputs: Any) -> None:
        """Adds a batch of outputs."""
        for number, boxes in enumerate(self._to_boxes(outputs), start):
            detected = boxes.chosen(np.argsort(-boxes.scores, kind="stable"))
            self._detected[number] = detected
            self._right[number] = _matched(detected, self._truth[number], self._iou_threshold)

    def counted(self, number: int) -> Boxes:
        """Returns the boxes of an example whose scores reach the threshold."""
        return self._detected[number].chosen(self._detected[number].scores >= self._threshold)

    def _counts(self, number: int) -> tuple[int, int, int]:
        """Returns the numbers of true positives, false negatives and false positives."""
        counted = self._detected[number].scores >= self._threshold
        right = int((self._right[number] & counted).sum())
        return right, len(self._truth[number]) - right, int(counted.sum()) - right

    def _f1(self, number: int) -> float:
        true_positives, false_negatives, false_positives = self._counts(number)
        whole = 2 * true_positives + false_negatives + false_positives
        return 2 * true_positives / whole if whole else 1.0

    def worst_first(self) -> npt.NDArray[np.intp]:
        """Returns example indices, lowest F1 first."""
        return np.argsort([self._f1(number) for number in range(len(self._truth))], kind="stable")

    def cells(self, number: int) -> list[Any]:
        """Returns true positives, false negatives, false positives and the F1."""
        return [*self._counts(number), self._f1(number)]

    def caption(self, number: int) -> list[str]:
        """Returns the three counts in one line."""
        true_positives, false_negatives, false_positives = self._counts(number)
        return [f"TP {true_positives}, FN {false_negatives}, FP {false_positives}"]

    def tracked_values(self) -> list[Any]:
        """Returns the F1 of each example."""
        return [self._f1(number) for number in range(len(self._truth))]

    def report(self) -> dict[str, Any]:
        """Returns precision, recall and F1 at the threshold, and the average precisions."""
        counts = np.array([self._counts(number) for number in range(len(self._truth))])
        true_positives, false_negatives, false_positives = counts.sum(axis=0).tolist()
        curves = {
            self._labels[number]: curve
            for number in sorted(
                {number for each in self._truth for number in each.classes.tolist()}
            )
            if (curve := self._curve(number)) is not None
        }
        report: dict[str, Any] = {}
        if true_positives + false_positives:
            report["precision"] = true_positives / (true_positives + false_positives)
        if true_positives + false_negatives:
            report["recall"] = true_positives / (true_positives + false_negatives)
            report["f1"] = (
                2 * true_positives / (2 * true_positives + false_negatives + false_positives)
            )
        if curves:
            areas = {label: curve.area for label, curve in curves.items()}
            report["map"] = float(np.mean(list(areas.values())))
            report.update({f"ap/{label}": area for label, area in areas.items()})
            report["average_precisions"] = bar_chart(
                areas, title="Average precision of each class", value="AP"
            )
            report["precision_recall"] = curve_chart(
                curves,
                title="Precision v. recall",
                x="recall",
                y="precision",
                x_title="Recall",
                y_title="Precision",
            )
        return report

    def _curve(self, number: int) -> Curve | None:
        """Returns the precision over the recall of a class; None if no true box has it."""
        there_are = sum(int((boxes.classes == number).sum()) for boxes in self._truth)
        if not there_are:
            return None
        of_class = [boxes.classes == number for boxes in self._detected]
        scores = np.concatenate(
            [boxes.scores[which] for boxes, which in zip(self._detected, of_class, strict=True)]
        )
        right = np.concatenate(
            [each[which] for each, which in zip(self._right, of_class, strict=True)]
        )
        order = np.argsort(-scores, kind="stable")
        true_positives: Floats = np.cumsum(right[order], dtype=np.float64)
        recall = np.append(0.0, true_positives / there_are)
        precision = np.append(1.0, true_positives / np.arange(1, len(true_positives) + 1))
        # The best precision at this recall or a higher one, as in Pascal VOC.
        best = np.maximum.accumulate(precision[::-1])[::-1]
        return Curve(recall, precision, float(np.sum(np.diff(recall) * best[1:])))


_NO_BOXES = Boxes(np.empty((0, 4)), np.empty(0, np.intp), np.empty(0))


def _matched(detected: Boxes, truth: Boxes, enough: float) -> npt.NDArray[np.bool_]:
    """Returns which boxes are right. The boxes are sorted, highest score first."""
    right = np.zeros(len(detected), bool)
    if not len(truth):
        return right
    overlaps = detected.overlaps(truth)
    overlaps[detected.classes[:, None] != truth.classes[None]] = 0.0
    for number, row in enumerate(overlaps):
        best = int(row.argmax())
        if row[best] >= enough:
            right[number] = True
            overlaps[:, best] = 0.0
    return right
