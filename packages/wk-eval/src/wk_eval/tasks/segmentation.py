"""Segmentation: a class for each pixel."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import wandb
from PIL import Image as PILImage

from wk_eval.arrays import is_tensor
from wk_eval.data.labels import Labels, class_names
from wk_eval.data.masks import NO_CLASS, masks_of_targets, painted
from wk_eval.data.structures import describe
from wk_eval.images import encode_png
from wk_eval.tables.image import TableImage
from wk_eval.tables.pixel_source import PixelSource
from wk_eval.tables.wandb_internals import image_type
from wk_eval.tasks.base import Evaluation, Results
from wk_eval.tasks.scores import loss_of
from wk_eval.tasks.segmentation_results import SegmentationResults


class SegmentationEval(Evaluation):
    """Looks at the masks that a model predicts for images of the validation data.

    The tables show the images with their masks, true and predicted, and the names of the classes.
    The table of predictions has each image's intersection over union (IoU), the mean over the
    classes that it has or was given, and the share of right pixels; the hardest images come first.
    The run gets, under `val/`: the IoU of each class and their mean, the share of right pixels, a
    bar chart, and a grid of the hardest images, with what is true beside what was predicted. A
    last table, `moves`, has each image's IoU in each of the epochs.

    All of it is about the examples that were chosen: of arrays `num_samples` at equal distances,
    of other data the first ones.

    Args:
        data: `(images, masks)`, or anything that yields such tuples in batches: a
            `tf.data.Dataset`, a `PyDataset`, a `DataLoader`, a generator. Masks are class
            numbers, shape (n, height, width) or (n, height, width, 1), or one-hot, shape
            (n, height, width, classes). The model puts out scores of the classes, shape
            (n, height, width, classes), or of the second of two, shape (n, height, width, 1).
        labels: The names of the classes, in a list or by number. Defaults to their numbers.
        ignore: A class number that is no class, as of pixels nobody has looked at. Defaults to
            None.
        from_logits: Whether the one score of two classes is a logit instead of a probability.
            Defaults to what the loss of `model.compile` says.
        num_samples: How many examples are looked at; None for all. Defaults to 100.
        batch_size: How many examples are predicted at once. Defaults to 8.
        output: Which of several outputs, and of the targets that belong to them, by name or by
            position.
        show: What is shown of an example: a function that takes its input and returns the image,
            as an array. Defaults to the input itself, and with several inputs to the first image.
        name: The name of the data: of the artifact of examples, and in front of the keys. Name it
            where there are several evaluations. Defaults to `"val"`.
        run: The run to log to. Defaults to the active one.
        every: After every how many epochs it evaluates. Defaults to 1.
        aliases: Aliases of each version of the predictions, besides `latest`.

    Raises:
        wandb.Error: If no run is given or active, or if it is finished.
        ValueError: If an argument is not as above; when training begins, if data, labels and
            model do not fit.

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
                "The model must put out a score of each class for each pixel, shape (n, height, "
                f"width, classes). Received: outputs={describe(outputs)}; which of several is "
                "meant, say with `output`"
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
                f"Received: inputs={describe(self._samples.inputs)}; what is to be shown, say with "
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
        """Returns the image with what is true, and beside it with what was predicted."""
        assert isinstance(results, SegmentationResults)
        picture = PILImage.fromarray(known[1].content.pixels())
        truth = painted(picture, self._masks[number].astype(np.uint8))
        predicted = painted(picture, results.mask(number))
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
        """Returns the first image among the inputs, or what `show` makes of them."""
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
                f"Masks must be of the size that the model puts out, {tuple(size)}, as class "
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
