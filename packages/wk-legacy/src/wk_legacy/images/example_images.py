"""Pictures of what a model does to some examples of the validation data."""

from functools import partial
from typing import Any, Final

import numpy as np

from wk_core.keras import keras
from wk_eval.labels import Labels
from wk_eval.samples import Samples
from wk_legacy.images.captions import text_labels
from wk_legacy.images.kinds import Kind, checked_kind, guessed_kind, is_picture
from wk_legacy.images.layout import PictureOptions, PictureView, Slot, picture_view
from wk_legacy.images.rendering import checked_colors
from wk_legacy.part import MakeRow, Part
from wk_legacy.predictor import Predictor
from wk_legacy.validation_data import ValidationData

_MOST: Final = 100
_MOST_PICTURES: Final = 108  # under one key, as W&B has it
_SEED: Final = 20


class ExamplePictures(Part):
    """Adds pictures of some examples to each epoch's row, as `examples`.

    Which pictures there are, and their order, depends on what goes into the model and comes out:

    | input | output | pictures |
    |---|---|---|
    | image or mask | label | the inputs, captioned with what was predicted |
    | image or mask | image or mask | triples: input, prediction, reference |
    | image or mask | unknown | the inputs |
    | label | image or mask | pairs: prediction and reference, captioned with the input |
    | unknown | image or mask | pairs: prediction and reference |

    There are none where neither input nor output can be shown. The examples of an epoch are drawn
    without replacement, by a random generator of its own; of data that come in batches, from one
    batch an epoch. W&B shows 108 pictures under one key, so that there are at most 36 triples or
    54 pairs.

    What is black and what is white is found out once, from all of the data or the first batch, and
    said: the values 0 and 1, -1 and 1, 0 and 255 or 0 and 65535, whichever fit first, else the
    lowest and the highest value. Predictions have the range of their references.

    Args:
        data: The validation data.
        predictions: How many examples; at most 100.
        input_type: `"image"` or `"images"`, `"segmentation_mask"` or `"label"`. Defaults to None:
            it is guessed for a model with one input.
        output_type: The same of the output. Defaults to None: it is guessed for a model with one
            output, if the input's is known.
        labels: The names of classes, in a list or by number.
        class_colors: For masks, a triple of red, green and blue from 0 to 1 for each class.
            Defaults to black for class 0 and evenly spaced hues for the others.

    Raises:
        ValueError: If an argument is not as above.
    """

    def __init__(
        self,
        data: ValidationData,
        *,
        predictions: int = 36,
        input_type: str | None = None,
        output_type: str | None = None,
        labels: Labels | None = None,
        class_colors: Any = None,
    ) -> None:
        if isinstance(predictions, bool) or not isinstance(predictions, int) or predictions < 1:
            raise ValueError(
                "`predictions` must be a whole number of examples, 1 or more. Received: "
                f"predictions={predictions!r}"
            )
        self._data = data
        self._predictions = min(predictions, _MOST)
        self._input_kind = checked_kind("input_type", input_type)
        self._output_kind = checked_kind("output_type", output_type)
        self._options = PictureOptions(
            text_labels(labels), checked_colors(class_colors), data.painter
        )
        self._next: Samples | None = None
        self._view: PictureView | None = None
        self._predict: Predictor

    def begin(self, model: Any) -> None:
        """Finds out what can be shown.

        Raises:
            ValueError: If data, model and arguments do not fit.
            TypeError: If the data are not inputs and targets.
        """
        self._predict = Predictor(model)
        if self._next is None:
            self._next = self._data.batch()
        arrays = _arrays(self._next, self._predict.first(self._next, self._predictions))
        self._view = picture_view(self._kinds(arrays), arrays, self._options)

    def take(self, epoch: int) -> MakeRow:
        """Predicts some examples.

        Args:
            epoch: The epoch that has ended, from 0.

        Returns:
            What makes the row with the pictures of them.
        """
        if self._view is None:
            return dict
        samples, self._next = self._next or self._data.batch(), None
        most = min(self._predictions, _MOST_PICTURES // len(self._view.painters))
        drawn = np.arange(samples.count)
        if samples.count > most:
            drawn = np.random.default_rng((_SEED, epoch)).choice(drawn, most, replace=False)
        chosen = samples.chosen(drawn)
        return partial(_row, self._view, _arrays(chosen, self._predict(chosen)))

    def _kinds(self, arrays: dict[Slot, Any]) -> tuple[Kind | None, Kind | None]:
        """Returns what input and output are, as it was said, or as it seems."""
        shown = self._input_kind or _guessed(arrays["input"])
        predicted = self._output_kind
        if predicted is None and shown is not None:
            predicted = _guessed(arrays["output"])
            if is_picture(predicted) and not _are_comparable(arrays["output"], arrays["target"]):
                predicted = None
        return shown, predicted


def _are_comparable(outputs: Any, targets: Any) -> bool:
    """Tells whether targets can be shown beside outputs that can."""
    if not is_picture(_guessed(targets)):
        return False
    return targets.ndim == 3 or targets.shape[-1] in (1, outputs.shape[-1])


def _row(view: PictureView, arrays: dict[Slot, Any]) -> dict[str, Any]:
    return {"examples": view.pictures(arrays)}


def _arrays(samples: Samples, outputs: Any) -> dict[Slot, Any]:
    return {
        "input": _channels_last(samples.inputs),
        "output": _channels_last(outputs),
        "target": _channels_last(samples.targets),
    }


def _channels_last(array: Any) -> Any:
    channels_first = keras.backend.image_data_format() == "channels_first"
    if channels_first and isinstance(array, np.ndarray) and array.ndim == 4:
        return np.moveaxis(array, 1, -1)
    return array


def _guessed(array: Any) -> Kind | None:
    is_numeric = isinstance(array, np.ndarray) and array.dtype.kind not in "OUS"
    return guessed_kind(array.shape) if is_numeric else None
