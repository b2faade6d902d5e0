"""Detection: boxes around things, with their classes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import wandb
from PIL import Image as PILImage
from PIL import ImageDraw

from wk_core.arguments import check_choice
from wk_core.data.arrays import describe
from wk_eval.data.boxes import BOX_FORMATS, Boxes, BoxFormat, boxes_of, checked_boxes, wandb_boxes
from wk_eval.data.labels import Labels, class_names
from wk_eval.tables.image import TableImage
from wk_eval.tables.wandb_internals import image_type
from wk_eval.tasks.base import Evaluation, Results
from wk_eval.tasks.detection_results import DetectionResults


class DetectionEval(Evaluation):
    """Logs the boxes that a detector predicts for images of the validation data.

    The tables show the images with their true boxes and their predicted boxes with scores. The
    table of predictions has a row for each image, worst prediction first: the numbers of true
    positives, false negatives and false positives, and the F1. The run gets, under `val/`:
    precision, recall and F1, the average precision of each class and their mean, precision-recall
    curves, and a grid of the worst predictions, true boxes in green and predicted boxes in red.
    When training ends, the table `moves` gets each image's F1 in each epoch.

    The evaluation chooses its examples when training begins: from arrays `num_samples` at equal
    distances, from other data the first `num_samples`.

    Args:
        data: `(images, boxes)`, or an iterable of such tuples in batches: a
            `tf.data.Dataset`, a `PyDataset`, a `DataLoader`, a generator. Boxes are a dictionary:
            `boxes`, shape (n, boxes, 4), and `labels` (or `classes`), shape (n, boxes), with the
            class -1 for padding; or lists of arrays of any length.
        labels: The names of the classes, in a list or by number. Required: a model does not say how
            many classes it has.
        box_format: The meaning of the four numbers of a box, in the data and in the outputs, under
            Keras' names. Defaults to `"xyxy"`.
        decode: A function from the outputs for a batch to a dictionary as above with `scores` (or
            `confidence`), shape (n, boxes). Defaults to None, for a model that returns such a
            dictionary, as KerasHub's detectors do.
        threshold: The score from which a box counts as a detection and is shown. Defaults to 0.5.
        iou_threshold: The intersection over union from which a detection is right. Defaults to 0.5.
        num_samples: The number of examples to evaluate; None for all. Defaults to 100.
        batch_size: The number of examples predicted at once. Defaults to 8.
        output: The output to evaluate and its targets, by name or by position, if the model has
            several outputs.
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
        from wk_eval import DetectionEval

        x = np.random.rand(8, 16, 16, 3)
        truth = {"boxes": np.tile([2.0, 2.0, 9.0, 9.0], (8, 1, 1)), "labels": np.zeros((8, 1))}

        inputs = keras.Input((16, 16, 3))
        corners = keras.layers.Dense(4)(keras.layers.Flatten()(inputs))
        model = keras.Model(inputs, corners)
        model.compile(loss="mse")


        def decode(corners):
            count = len(corners)
            return {
                "boxes": corners[:, None],
                "labels": np.zeros((count, 1)),
                "scores": np.ones((count, 1)),
            }


        with wandb.init(mode="offline"):
            evaluation = DetectionEval((x, truth), labels=["thing"], decode=decode)
            model.fit(x, truth["boxes"][:, 0], verbose=0, callbacks=[evaluation])
        ```
    """

    _truth_columns = ()
    _result_columns: Sequence[str] = ("true_positives", "false_negatives", "false_positives", "f1")

    def __init__(
        self,
        data: Any,
        *,
        labels: Labels,
        box_format: BoxFormat = "xyxy",
        decode: Callable[[Any], Mapping[str, Any]] | None = None,
        threshold: float = 0.5,
        iou_threshold: float = 0.5,
        num_samples: int | None = 100,
        batch_size: int = 8,
        output: str | int | None = None,
        name: str = "val",
        run: wandb.Run | None = None,
        every: int = 1,
        aliases: Sequence[str] = (),
    ) -> None:
        check_choice(box_format, "box_format", BOX_FORMATS)
        names = class_names(labels)
        if not names:
            raise ValueError(
                "`labels` must have a name for each class, in a list or by number. Received: "
                f"labels={labels!r}"
            )
        for argument, value in (("threshold", threshold), ("iou_threshold", iou_threshold)):
            if not isinstance(value, (int, float)) or not 0 < value <= 1:
                raise ValueError(
                    f"`{argument}` must be a number above 0, up to 1. Received: "
                    f"{argument}={value!r}"
                )
        super().__init__(
            data,
            num_samples=num_samples,
            batch_size=batch_size,
            output=output,
            show=None,
            name=name,
            run=run,
            every=every,
            aliases=aliases,
        )
        self._labels = names
        self._box_format = box_format
        self._decode = decode
        self._threshold = threshold
        self._iou_threshold = iou_threshold
        self._truth: list[Boxes] = []
        self._size = (0, 0)

    def _inspect(self, outputs: Any) -> None:
        cells = super()._shown_cells(0)
        images = {key: cell for key, cell in cells.items() if isinstance(cell, TableImage)}
        if not images:
            raise ValueError(
                "There must be an image, shape (height, width) or (height, width, channels). "
                f"Received: inputs={describe(self._samples.inputs)}"
            )
        self._shown, image = next(iter(images.items()))
        pixels = image.content.pixels()
        self._size = (pixels.shape[0], pixels.shape[1])
        described = checked_boxes(self._targets, "Targets", scores=False)
        self._truth = [
            boxes_of(described, number, box_format=self._box_format, size=self._size)
            for number in range(self._samples.count)
        ]
        self._check_classes("targets", self._truth)
        self._to_boxes(outputs)

    def _new_results(self) -> DetectionResults:
        return DetectionResults(
            self._truth,
            self._labels,
            self._to_boxes,
            threshold=self._threshold,
            iou_threshold=self._iou_threshold,
        )

    def _truth_cells(self, number: int) -> list[Any]:  # noqa: ARG002  they are in the image
        return []

    def _shown_cells(self, number: int) -> dict[str, Any]:
        image = super()._shown_cells(number)[self._shown]
        boxes = wandb_boxes(self._truth[number], self._labels, with_scores=False)
        image.extra = {"boxes": {"ground_truth": boxes}}
        names = dict(enumerate(self._labels))
        image.name_classes(names)
        image.wb_type = image_type(names, boxes=["ground_truth"])
        return {"image": image}

    def _predicted_cells(self, known: list[Any], number: int, results: Results) -> list[Any]:
        assert isinstance(results, DetectionResults)
        image = TableImage.holding(known[1].content)
        found = wandb_boxes(results.counted(number), self._labels, with_scores=True)
        image.extra = {
            **known[1].extra,
            "boxes": {**known[1].extra["boxes"], "predictions": found},
        }
        layers = ("ground_truth", "predictions")
        names = dict(enumerate(self._labels))
        image.wb_type = image_type(names, boxes=layers, with_scores=True)
        return [known[0], image, *results.cells(number)]

    def _picture(self, known: list[Any], number: int, results: Results) -> PILImage.Image:
        """Returns the image with the true boxes in green and the predicted boxes in red."""
        assert isinstance(results, DetectionResults)
        picture = PILImage.fromarray(known[1].content.pixels()).convert("RGB")
        scale = max(1, 224 // max(picture.size))
        picture = picture.resize((picture.width * scale, picture.height * scale), 0)
        draw = ImageDraw.Draw(picture)
        for boxes, colour in ((self._truth[number], "lime"), (results.counted(number), "red")):
            for left, top, right, bottom in (boxes.corners * scale).tolist():
                ends = (min(left, right), min(top, bottom), max(left, right), max(top, bottom))
                draw.rectangle(ends, outline=colour, width=2)
        return picture

    def _to_boxes(self, outputs: Any) -> list[Boxes]:
        """Returns the boxes of each picture in a batch of outputs."""
        if self._decode is not None:
            outputs = self._decode(outputs)
        described = checked_boxes(outputs, "Outputs", scores=True)
        boxes = [
            boxes_of(described, number, box_format=self._box_format, size=self._size)
            for number in range(len(described["boxes"]))
        ]
        self._check_classes("outputs", boxes)
        return boxes

    def _check_classes(self, what: str, boxes: Sequence[Boxes]) -> None:
        highest = max((int(each.classes.max()) for each in boxes if len(each)), default=0)
        if highest >= len(self._labels):
            raise ValueError(
                f"`labels` names {len(self._labels)} classes, from 0 on. Received: {what} with "
                f"class {highest}, labels={self._labels!r}"
            )
