"""Segmentation: a class for each pixel."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import wandb
from PIL import Image as PILImage

from wk_core.data.arrays import describe, is_tensor
from wk_eval.data.labels import Labels, class_names
from wk_eval.data.masks import NO_CLASS, masks_of_targets
from wk_eval.images import encode_png
from wk_eval.plots.drawings import draw_mask
from wk_eval.tables.image import TableImage
from wk_eval.tables.pixel_source import PixelSource
from wk_eval.tables.wandb_internals import image_type
from wk_eval.tasks.base import Evaluation, Results
from wk_eval.tasks.scores import loss_of
from wk_eval.tasks.segmentation_results import SegmentationResults


class SegmentationEval(Evaluation):
    """Logs the masks that a model predicts for images of the validation data.

    The tables show the images with their true and predicted masks and the names of the classes. The
    table of predictions has a row for each image, worst prediction first: the intersection over
    union (IoU), as the mean over the classes in either mask, and the pixel accuracy. The run gets,
    under `val/`: the IoU of each class and their mean, the pixel accuracy, a bar chart, and a grid
    of the worst predictions, true masks beside predicted masks. When training ends, the table
    `moves` gets each image's IoU in each epoch.

    The evaluation chooses its examples when training begins: from arrays `num_samples` at equal
    distances, from other data the first `num_samples`.

    Args:
        data: `(images, masks)`, or an iterable of such tuples in batches: a
            `tf.data.Dataset`, a `PyDataset`, a `DataLoader`, a generator. Masks are class
            numbers, shape (n, height, width) or (n, height, width, 1), or one-hot, shape
            (n, height, width, classes). The model's outputs are scores of the classes, shape
            (n, height, width, classes), or of the second of two, shape (n, height, width, 1).
        labels: The names of the classes, in a list or by number. Defaults to their numbers.
        ignore: A class number to ignore, as that of pixels without a label. Defaults to None.
        from_logits: With two classes and one score, whether the score is a logit instead of a
            probability. Defaults to the setting of the compiled loss.
        num_samples: The number of examples to evaluate; None for all. Defaults to 100.
        batch_size: The number of examples predicted at once. Defaults to 8.
        output: The output to evaluate and its targets, by name or by position, if the model has
            several outputs.
        show: A function that takes an example's input and returns the image to show, as an array.
            Defaults to the first image among the inputs.
        name: The name of the data: of the artifact of examples, and the first part of the keys.
            Several evaluations of a run need different names. Defaults to `"val"`.
        run: The run to log to. Defaults to the active run.
        every: Evaluate every how many epochs. Epochs are counted over the whole training, also
            across several calls of `fit` and in a resumed training. Defaults to 1.
        aliases: Aliases of each version of the predictions, besides `latest`.

    Raises:
        wandb.Error: If no run is given or active, or if the run is finished.
        ValueError: If an argument is not as above; and when training begins, if data, labels and
            model do not fit together.

    Example:
        ```python
        import keras
        import numpy as np
        import wandb
        from wk_eval import SegmentationEval

        x = np.random.rand(8, 16, 16, 3)
        y = (x.mean(axis=-1) > 0.5).astype("uint8")
        model = keras.Sequential([keras.layers.Conv2D(2, 1)])
        model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))

        with wandb.init(mode="offline"):
            evaluation = SegmentationEval((x, y), labels=["dark", "bright"])
            model.fit(x, y, epochs=2, verbose=0, callbacks=[evaluation])
        ```
    """

    _truth_columns = ()
    _result_columns: Sequence[str] = ("iou", "pixel_accuracy")

    def __init__(
        self,
        data: Any,
        *,
        labels: Labels | None = None,
        ignore: int | None = None,
        from_logits: bool | None = None,
        num_samples: int | None = 100,
        batch_size: int = 8,
        output: str | int | None = None,
        show: Callable[[Any], Any] | None = None,
        name: str = "val",
        run: wandb.Run | None = None,
        every: int = 1,
        aliases: Sequence[str] = (),
    ) -> None:
        super().__init__(
            data,
            num_samples=num_samples,
            batch_size=batch_size,
            output=output,
            show=show,
            name=name,
            run=run,
            every=every,
            aliases=aliases,
        )
        self._given_labels = labels
        self._ignore = ignore
        self._from_logits = from_logits
        self._labels: list[str] = []
        self._masks: npt.NDArray[Any] = np.empty(0)

    def _inspect(self, outputs: Any) -> None:
        if not isinstance(outputs, np.ndarray) or outputs.ndim not in (3, 4):
            raise ValueError(
                "The model must return a score of each class for each pixel, shape (n, height, "
                f"width, classes). Received: outputs={describe(outputs)}; choose one of "
                "several with `output`"
            )
        classes = 2 if outputs.ndim == 3 else max(2, outputs.shape[-1])
        if classes >= NO_CLASS:
            raise ValueError(f"W&B's masks take {NO_CLASS - 1} classes. Received: {classes}")
        self._labels = class_names(self._given_labels, classes)
        if self._from_logits is None:
            loss = loss_of(self.model, self._output)
            self._from_logits = bool(getattr(loss, "from_logits", False))
        self._masks = self._checked_masks(outputs.shape[1:3], classes)
        if not isinstance(self._image_cell(0), TableImage):
            raise ValueError(
                "There must be an image, shape (height, width) or (height, width, channels). "
                f"Received: inputs={describe(self._samples.inputs)}; choose the image with "
                "`show`"
            )

    def _new_results(self) -> SegmentationResults:
        return SegmentationResults(
            self._masks, self._labels, ignore=self._ignore, from_logits=bool(self._from_logits)
        )

    def _truth_cells(self, number: int) -> list[Any]:  # noqa: ARG002  the mask is in the image
        return []

    def _shown_cells(self, number: int) -> dict[str, Any]:
        image = self._image_cell(number)
        image.class_masks = {"ground_truth": encode_png(self._masks[number].astype(np.uint8))}
        image.name_classes(self._names)
        image.wb_type = image_type(self._names, masks=["ground_truth"])
        return {"image": image}

    def _predicted_cells(self, known: list[Any], number: int, results: Results) -> list[Any]:
        assert isinstance(results, SegmentationResults)
        image = TableImage.holding(known[1].content)
        image.extra = known[1].extra
        image.class_masks = {"prediction": results.mask_file(number)}
        image.wb_type = image_type(self._names, masks=["ground_truth", "prediction"])
        return [known[0], image, *results.cells(number)]

    def _picture(self, known: list[Any], number: int, results: Results) -> PILImage.Image:
        """Returns the image with its true mask, beside the image with the predicted mask."""
        assert isinstance(results, SegmentationResults)
        picture = PILImage.fromarray(known[1].content.pixels())
        truth = draw_mask(picture, self._masks[number].astype(np.uint8))
        predicted = draw_mask(picture, results.mask(number))
        both = PILImage.new("RGB", (2 * truth.width + 2, truth.height), (255, 255, 255))
        both.paste(truth, (0, 0))
        both.paste(predicted, (truth.width + 2, 0))
        return both

    @property
    def _names(self) -> dict[int, str]:
        names = dict(enumerate(self._labels))
        if self._ignore is not None:
            names[self._ignore] = "(ignored)"
        return {**names, NO_CLASS: names.get(NO_CLASS, "(not a number)")}

    def _image_cell(self, number: int) -> Any:
        """Returns the first image among the inputs, or the image that `show` returns."""
        shown = super()._shown_cells(number)
        images = [cell for cell in shown.values() if isinstance(cell, TableImage)]
        if images:
            return images[0]
        array = next(iter(shown.values()))
        return TableImage.holding(PixelSource(array)) if is_tensor(array) else array

    def _checked_masks(self, size: tuple[int, ...], classes: int) -> npt.NDArray[Any]:
        targets = self._targets
        received = f"masks={describe(targets)}, for a model with {classes} classes"
        if not isinstance(targets, np.ndarray) or targets.dtype.kind not in "biuf":
            raise ValueError(f"Masks must be numbers in one array. Received: {received}")
        masks = masks_of_targets(targets, classes)
        if masks.shape[1:] != tuple(size):
            raise ValueError(
                f"Masks must have the size of the outputs, {tuple(size)}, as class "
                f"numbers or one-hot. Received: {received}"
            )
        numbers = np.unique(masks)
        wrong = [each for each in numbers.tolist() if each not in {*range(classes), self._ignore}]
        if wrong:
            raise ValueError(
                f"Masks must hold class numbers from 0 to {classes - 1}; a number that stands for "
                f"no class is given as `ignore`. Received: {received}, with the values {wrong[:5]}"
            )
        return masks
