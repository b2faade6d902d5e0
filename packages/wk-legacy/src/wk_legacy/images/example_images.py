"""Images of examples of the validation data, with what the model predicts for them."""

from functools import partial
from typing import Any, Final

import numpy as np

from wk_core.arguments import check_whole_number
from wk_core.compat.keras.flavour import keras
from wk_eval.data.samples import Samples
from wk_legacy.images.kinds import Kind, checked_kind, infer_kind, is_image
from wk_legacy.images.layout import ImageLayout, LayoutOptions, Slot, choose_layout
from wk_legacy.images.rendering import checked_colors
from wk_legacy.validation_data import Predictor, ValidationData
from wk_metrics.row_source import RowFactory, RowSource

_MOST_EXAMPLES: Final = 100
_MOST_IMAGES: Final = 108  # W&B's limit for one key
_SEED: Final = 20


class ExampleImages(RowSource):
    """Adds images of some examples to each epoch's row, as `examples`.

    The kinds of the model's input and output decide which images there are, in this order:

    | input | output | images |
    |---|---|---|
    | image or mask | label | the input, captioned with the predicted label |
    | image or mask | image or mask | input, prediction and reference |
    | image or mask | unknown | the input |
    | label | image or mask | prediction and reference, captioned with the input |
    | unknown | image or mask | prediction and reference |

    If neither input nor output can be shown, there are none. The examples of an epoch are drawn
    without replacement by a random generator of this class; data in batches give one batch an
    epoch. W&B shows 108 images under one key: at most 36 examples of three images, or 54 of two.

    The first look at the data, at all of them or at the first batch, decides which values are black
    and white, and prints it: 0 and 1, -1 and 1, 0 and 255 or 0 and 65535, whichever fit first, else
    the lowest and the highest value. Predictions have the range of their references.

    Args:
        data: The validation data.
        predictions: How many examples to show; at most 100.
        input_type: `"image"` or `"images"`, `"segmentation_mask"` or `"label"`. Defaults to None:
            inferred for a model with one input.
        output_type: The same for the output. Defaults to None: inferred for a model with one
            output, if the input's kind is known.
        labels: The names of the classes.
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
        labels: list[str] | None = None,
        class_colors: Any = None,
    ) -> None:
        self._data = data
        count = check_whole_number(predictions, "predictions", of="examples")
        self._predictions = min(count, _MOST_EXAMPLES)
        self._input_kind = checked_kind("input_type", input_type)
        self._output_kind = checked_kind("output_type", output_type)
        self._options = LayoutOptions(labels, checked_colors(class_colors), data.renderer)
        self._next: Samples | None = None
        self._layout: ImageLayout | None = None
        self._predict: Predictor

    def begin(self, model: Any) -> None:
        """Decides what to show.

        Raises:
            ValueError: If data, model and arguments do not fit.
            TypeError: If the data are not inputs and targets.
        """
        self._predict = Predictor(model)
        if self._next is None:
            self._next = self._data.batch()
        arrays = _arrays(self._next, self._predict.first(self._next, self._predictions))
        self._layout = choose_layout(self._kinds(arrays), arrays, self._options)

    def take(self, epoch: int) -> RowFactory:
        """Predicts some examples.

        Args:
            epoch: The epoch that has ended, from 0.

        Returns:
            Makes the row's images of them.
        """
        if self._layout is None:
            return dict
        samples, self._next = self._next or self._data.batch(), None
        most = min(self._predictions, _MOST_IMAGES // len(self._layout.renderers))
        drawn = np.arange(samples.count)
        if samples.count > most:
            drawn = np.random.default_rng((_SEED, epoch)).choice(drawn, most, replace=False)
        chosen = samples.chosen(drawn)
        return partial(_row, self._layout, _arrays(chosen, self._predict(chosen)))

    def _kinds(self, arrays: dict[Slot, Any]) -> tuple[Kind | None, Kind | None]:
        """Returns the given or inferred kinds of input and output."""
        input_kind = self._input_kind or _inferred(arrays["input"])
        output_kind = self._output_kind
        if output_kind is None and input_kind is not None:
            output_kind = _inferred(arrays["output"])
            if is_image(output_kind) and not _are_comparable(arrays["output"], arrays["target"]):
                output_kind = None
        return input_kind, output_kind


def _are_comparable(outputs: Any, targets: Any) -> bool:
    """Returns whether targets can be shown beside outputs that are images."""
    if not is_image(_inferred(targets)):
        return False
    return targets.ndim == 3 or targets.shape[-1] in (1, outputs.shape[-1])


def _row(layout: ImageLayout, arrays: dict[Slot, Any]) -> dict[str, Any]:
    return {"examples": layout.images(arrays)}


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


def _inferred(array: Any) -> Kind | None:
    is_numeric = isinstance(array, np.ndarray) and array.dtype.kind not in "OUS"
    return infer_kind(array.shape) if is_numeric else None
