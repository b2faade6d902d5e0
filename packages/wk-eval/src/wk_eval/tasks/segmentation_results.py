"""The predicted masks of one epoch."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as PILImage

from wk_eval.data.masks import NO_CLASS, masks_of_outputs
from wk_eval.images import Pixels, encode_png
from wk_eval.plots.charts import bar_chart


class SegmentationResults:
    """Collects predicted masks, as PNG files of some kilobytes each.

    Args:
        masks: The true masks, shape (examples, height, width).
        labels: The names of the classes.
        ignore: A class number to ignore.
        from_logits: With one score for two classes, whether the score is a logit.
    """

    def __init__(
        self,
        masks: npt.NDArray[Any],
        labels: Sequence[str],
        *,
        ignore: int | None,
        from_logits: bool,
    ) -> None:
        self._masks = masks
        self._labels = labels
        self._ignore = ignore
        self._from_logits = from_logits
        self._files: list[bytes] = [b""] * len(masks)
        self._ious = np.full(len(masks), np.nan)
        self._right = np.full(len(masks), np.nan)
        # The last column counts pixels with NaN scores.
        self._counts = np.zeros((len(labels), len(labels) + 1), np.int64)

    def add_batch(self, start: int, outputs: npt.NDArray[Any]) -> None:
        """Adds a batch of outputs, shape (n, height, width, classes or 1)."""
        predicted = masks_of_outputs(outputs, from_logits=self._from_logits)
        for number, mask in enumerate(predicted, start):
            self._files[number] = encode_png(mask)
            counts = self._count(self._masks[number], mask)
            self._counts += counts
            if counts.any():
                self._ious[number] = np.nanmean(_ious(counts))
                self._right[number] = counts.diagonal().sum() / counts.sum()

    def mask_file(self, number: int) -> bytes:
        """Returns the predicted mask of an example, as a PNG file."""
        return self._files[number]

    def mask(self, number: int) -> Pixels:
        """Returns the predicted mask of an example."""
        with PILImage.open(BytesIO(self._files[number])) as picture:
            return np.asarray(picture)

    def worst_first(self) -> npt.NDArray[np.intp]:
        """Returns example indices, lowest IoU first."""
        return np.argsort(self._ious, kind="stable")

    def cells(self, number: int) -> list[Any]:
        """Returns IoU and pixel accuracy; None if all pixels are ignored."""
        both = (float(self._ious[number]), float(self._right[number]))
        return [value if np.isfinite(value) else None for value in both]

    def caption(self, number: int) -> list[str]:
        """Returns which half shows what, and the IoU."""
        return ["true | predicted", f"IoU {self._ious[number]:.2f}"]

    def tracked_values(self) -> list[Any]:
        """Returns the IoU of each example."""
        return [float(value) for value in self._ious]

    def report(self) -> dict[str, Any]:
        """Returns the IoU of each class, their mean, and the pixel accuracy."""
        ious = dict(zip(self._labels, _ious(self._counts).tolist(), strict=True))
        known = {label: iou for label, iou in ious.items() if np.isfinite(iou)}
        if not known:
            return {}
        return {
            "mean_iou": float(np.mean(list(known.values()))),
            "pixel_accuracy": float(self._counts.diagonal().sum() / self._counts.sum()),
            **{f"iou/{label}": iou for label, iou in known.items()},
            "ious": bar_chart(known, title="IoU of each class", value="IoU"),
        }

    def _count(self, truth: npt.NDArray[Any], predicted: Pixels) -> npt.NDArray[np.int64]:
        """Returns the numbers of pixels by true class, in rows, and predicted class, in columns."""
        classes = len(self._labels)
        counted = np.ones(truth.shape, bool) if self._ignore is None else truth != self._ignore
        column = np.where(predicted == NO_CLASS, classes, predicted)[counted].astype(np.int64)
        cells = truth[counted].astype(np.int64) * (classes + 1) + column
        return np.bincount(cells, minlength=classes * (classes + 1)).reshape(classes, classes + 1)


def _ious(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Returns the IoU of each class; NaN for a class in neither mask."""
    true_positives = counts.diagonal()
    union = counts.sum(axis=1) + counts.sum(axis=0)[: len(counts)] - true_positives
    ious: npt.NDArray[np.float64] = np.divide(
        true_positives, union, out=np.full(len(counts), np.nan), where=union > 0
    )
    return ious
