"""Detection: boxes around things, with their classes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import wandb
from PIL import Image as PILImage
from PIL import ImageDraw

from wk_eval.data.boxes import BOX_FORMATS, Boxes, BoxFormat, boxes_of, checked_boxes, wandb_boxes
from wk_eval.data.labels import Labels, class_names
from wk_eval.data.structures import describe
from wk_eval.tables.image import TableImage
from wk_eval.tables.wandb_internals import image_type
from wk_eval.tasks.base import Evaluation, Results
from wk_eval.tasks.detection_results import DetectionResults


class DetectionEval(Evaluation):
    """Looks at the boxes that a detector finds in images of the validation data.

    The tables show the images with their boxes, true and predicted, with scores. The table of
    predictions has how many boxes of each image were found, how many were missed, how many are
    false alarms, and the F1; the hardest images come first. The run gets, under `val/`:
    precision, recall and F1, the average precision of each class and their mean, precision-recall
    curves, and a grid of the hardest images, true boxes in green and predicted ones in red. A last
    table, `moves`, has each image's F1 in each of the epochs.

    All of it is about the examples that were chosen: of arrays `num_samples` at equal distances,
    of other data the first ones.

    Args:
        data: `(images, boxes)`, or anything that yields such tuples in batches: a
            `tf.data.Dataset`, a `PyDataset`, a `DataLoader`, a generator. Boxes are a dictionary:
            `boxes`, shape (n, boxes, 4), and `labels` (or `classes`), shape (n, boxes), with -1
            in the places that are not in use; or lists of arrays of any length.
        labels: The names of the classes, in a list or by number. Needed, since no model tells how
            many there are.
        box_format: What the four numbers of a box are, in the data and in what the model puts out,
            under Keras' names. Defaults to `"xyxy"`.
        decode: Turns what the model puts out for a batch into a dictionary as above, with `scores`
            (or `confidence`), shape (n, boxes). Defaults to None: the model puts out one, as the
            detectors of KerasHub do.
        threshold: The score from which a box counts as found, and is shown. Defaults to 0.5.
        iou_threshold: The intersection over union from which a box is right. Defaults to 0.5.
        num_samples: How many examples are looked at; None for all. Defaults to 100.
        batch_size: How many examples are predicted at once. Defaults to 8.
        output: Which of several outputs, and of the targets that belong to them, by name or by
            position.
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
        if box_format not in BOX_FORMATS:
            raise ValueError(
                f"`box_format` must be one of {BOX_FORMATS}. Received: box_format={box_format!r}"
            )
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
        """Returns the image with the true boxes in green and the predicted ones in red."""
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
        """Returns the boxes that a batch of outputs means, a picture each."""
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
