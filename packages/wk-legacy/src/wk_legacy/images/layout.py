"""How examples are shown: which arrays, in which order, with which captions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import wandb
from PIL import Image as PILImage

from wk_eval.samples import describe
from wk_legacy.images.captions import captions, label_names
from wk_legacy.images.kinds import Kind, is_picture
from wk_legacy.images.rendering import (
    Floats,
    ImagePainter,
    MaskPainter,
    Painter,
    default_colors,
)

Array: TypeAlias = npt.NDArray[Any]
Slot: TypeAlias = Literal["input", "output", "target"]


@dataclass(frozen=True)
class PictureView:
    """How examples are shown.

    Attributes:
        painters: What makes pixels of each array that is shown, in the order of the pictures.
        captioned: The array that the captions are made of; None for no captions.
        names: The names of the classes in captions.
    """

    painters: dict[Slot, Painter]
    captioned: Slot | None = None
    names: list[str] | None = None

    def pictures(self, arrays: dict[Slot, Any]) -> list[wandb.Image]:
        """Returns the pictures of all examples, those of one example side by side."""
        painted = [painter(arrays[slot]) for slot, painter in self.painters.items()]
        texts: list[str | None] = [None] * len(painted[0])
        if self.captioned is not None:
            texts = [*captions(arrays[self.captioned], self.names)]
        return [
            wandb.Image(PILImage.fromarray(pixels), caption=text)
            for text, *together in zip(texts, *painted, strict=True)
            for pixels in together
        ]


@dataclass(frozen=True)
class PictureOptions:
    """What is known of the pictures beforehand.

    Attributes:
        labels: The names of classes.
        colors: Shape (classes, 3): the colours of the classes of masks.
        painter: Returns what makes pixels of images, as `ValidationData.painter`.
    """

    labels: list[str] | None
    colors: Floats | None
    painter: Callable[..., ImagePainter]


def picture_view(
    kinds: tuple[Kind | None, Kind | None], arrays: dict[Slot, Any], options: PictureOptions
) -> PictureView | None:
    """Returns how examples are shown, or None where there is nothing to be shown.

    Args:
        kinds: What the input and the output are; None where it is not known.
        arrays: Inputs and targets, as many as are known, and the output for the first example.
        options: What else is known.

    Raises:
        ValueError: If arrays and options do not fit the kinds.
    """
    shown, predicted = kinds
    painters: dict[Slot, Painter] = {}
    if is_picture(shown):
        painters["input"] = _input_painter(shown, arrays["input"], options)
    if is_picture(predicted):
        painters |= _output_painters(predicted, arrays, options)
    if not painters:
        return None
    captioned: Slot | None = None
    if shown == "label":
        captioned = "input"
    elif predicted == "label":
        captioned = "output"
    if captioned is None:
        return PictureView(painters)
    values = arrays[captioned]
    if not _is_array(values) or values.ndim not in (1, 2) or values.dtype.kind not in "biuf":
        raise ValueError(
            f"A label needs a number or a vector for each example. Received: {captioned}_type="
            f"'label', for an {captioned} of {describe(values)}"
        )
    return PictureView(painters, captioned, label_names(options.labels, values, f"{captioned}s"))


def _input_painter(kind: Kind | None, inputs: Any, options: PictureOptions) -> Painter:
    _check_pictures("input_type", kind, inputs, "inputs")
    classes = inputs.shape[-1] if kind == "segmentation_mask" and inputs.ndim == 4 else 1
    if classes > 1:
        return MaskPainter(_colors_of(classes, options))
    return options.painter("input", inputs, mask=kind == "segmentation_mask")


def _output_painters(
    kind: Kind | None, arrays: dict[Slot, Any], options: PictureOptions
) -> dict[Slot, Painter]:
    """Returns what makes pixels of predictions and of references."""
    outputs, targets = arrays["output"], arrays["target"]
    _check_pictures("output_type", kind, outputs, "outputs")
    _check_pictures("output_type", kind, targets, "targets")
    painter: Painter
    classes = outputs.shape[-1] if kind == "segmentation_mask" and outputs.ndim == 4 else 1
    if classes > 1:
        painter = MaskPainter(_colors_of(classes, options))
        if targets.ndim == 4 and targets.shape[-1] not in (1, classes):
            raise ValueError(
                f"Masks must be class numbers or one-hot, for the {classes} classes that the model "
                f"puts out. Received: targets={describe(targets)}"
            )
    else:
        painter = options.painter("target", targets, mask=kind == "segmentation_mask")
    return {"output": painter, "target": painter}


def _check_pictures(argument: str, kind: Kind | None, array: Any, what: str) -> None:
    if not _is_array(array) or array.ndim not in (3, 4) or array.dtype.kind in "OUS":
        raise ValueError(
            f"Pictures must be one array, shape (n, height, width) or (n, height, width, "
            f"channels). Received: {argument}={kind!r}, for {what}={describe(array)}"
        )
    if kind != "segmentation_mask" and array.ndim == 4 and array.shape[-1] not in (1, 3, 4):
        raise ValueError(
            f"Images must have 1, 3 or 4 channels. Received: {argument}={kind!r}, for {what}="
            f"{describe(array)}"
        )


def _colors_of(classes: int, options: PictureOptions) -> Floats:
    if options.colors is None:
        return default_colors(classes)
    if len(options.colors) < classes:
        raise ValueError(
            f"`class_colors` must have a colour for each of {classes} classes. Received: "
            f"{len(options.colors)} colours"
        )
    return options.colors


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray)
