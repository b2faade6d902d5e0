"""How examples are shown: which arrays, in which order, with which captions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import wandb
from PIL import Image as PILImage

from wk_core.data.arrays import describe
from wk_eval.data.labels import class_names
from wk_legacy.images.kinds import Kind, is_image
from wk_legacy.images.rendering import (
    Floats,
    ImageRenderer,
    MaskRenderer,
    Renderer,
    default_colors,
)

Slot: TypeAlias = Literal["input", "output", "target"]

_THRESHOLD: Final = 0.5


@dataclass(frozen=True)
class ImageLayout:
    """Which images an example has, and their caption.

    Attributes:
        renderers: Renders each array that is shown, in the order of the images.
        captioned: The array that captions are made from; None for no captions.
        labels: The names of the classes in captions.
    """

    renderers: dict[Slot, Renderer]
    captioned: Slot | None = None
    labels: list[str] | None = None

    def images(self, arrays: dict[Slot, Any]) -> list[wandb.Image]:
        """Returns the images of all examples, the images of one example side by side."""
        rendered = [render(arrays[slot]) for slot, render in self.renderers.items()]
        captions: list[str | None] = [None] * len(rendered[0])
        if self.captioned is not None:
            captions = [*_captions(arrays[self.captioned], self.labels)]
        return [
            wandb.Image(PILImage.fromarray(pixels), caption=caption)
            for caption, *together in zip(captions, *rendered, strict=True)
            for pixels in together
        ]


@dataclass(frozen=True)
class LayoutOptions:
    """Settings that do not depend on the model.

    Attributes:
        labels: The names of the classes.
        colors: Shape (classes, 3): the colors of the classes of masks.
        find_renderer: Returns a renderer of images, as `ValidationData.renderer`.
    """

    labels: list[str] | None
    colors: Floats | None
    find_renderer: Callable[..., ImageRenderer]


def choose_layout(
    kinds: tuple[Kind | None, Kind | None], arrays: dict[Slot, Any], options: LayoutOptions
) -> ImageLayout | None:
    """Returns how examples are shown, or None if neither input nor output can be shown.

    Args:
        kinds: The kinds of the input and the output; None if unknown.
        arrays: All known inputs and targets, and the output for the first example.
        options: The settings.

    Raises:
        ValueError: If arrays and options do not fit the kinds.
    """
    input_kind, output_kind = kinds
    renderers: dict[Slot, Renderer] = {}
    if is_image(input_kind):
        renderers["input"] = _input_renderer(input_kind, arrays["input"], options)
    if is_image(output_kind):
        renderers |= _output_renderers(output_kind, arrays, options)
    if not renderers:
        return None
    captioned: Slot | None = None
    if input_kind == "label":
        captioned = "input"
    elif output_kind == "label":
        captioned = "output"
    if captioned is None:
        return ImageLayout(renderers)
    values = arrays[captioned]
    if not _is_array(values) or values.ndim not in (1, 2) or values.dtype.kind not in "biuf":
        raise ValueError(
            f"A label needs a number or a vector for each example. Received: {captioned}_type="
            f"'label', for an {captioned} of {describe(values)}"
        )
    labels = _labels_for(values, options.labels, f"{captioned}s")
    return ImageLayout(renderers, captioned, labels)


def _input_renderer(kind: Kind | None, inputs: Any, options: LayoutOptions) -> Renderer:
    _check_images("input_type", kind, inputs, "inputs")
    classes = inputs.shape[-1] if kind == "segmentation_mask" and inputs.ndim == 4 else 1
    if classes > 1:
        return MaskRenderer(_colors_of(classes, options))
    return options.find_renderer("input", inputs, mask=kind == "segmentation_mask")


def _output_renderers(
    kind: Kind | None, arrays: dict[Slot, Any], options: LayoutOptions
) -> dict[Slot, Renderer]:
    """Returns the renderer of predictions and references, which they share."""
    outputs, targets = arrays["output"], arrays["target"]
    _check_images("output_type", kind, outputs, "outputs")
    _check_images("output_type", kind, targets, "targets")
    renderer: Renderer
    classes = outputs.shape[-1] if kind == "segmentation_mask" and outputs.ndim == 4 else 1
    if classes > 1:
        renderer = MaskRenderer(_colors_of(classes, options))
        if targets.ndim == 4 and targets.shape[-1] not in (1, classes):
            raise ValueError(
                f"Masks must be class indices or one-hot, for the {classes} classes that the model "
                f"predicts. Received: targets={describe(targets)}"
            )
    else:
        renderer = options.find_renderer("target", targets, mask=kind == "segmentation_mask")
    return {"output": renderer, "target": renderer}


def _check_images(argument: str, kind: Kind | None, array: Any, what: str) -> None:
    if not _is_array(array) or array.ndim not in (3, 4) or array.dtype.kind in "OUS":
        raise ValueError(
            f"Images must be one array, shape (n, height, width) or (n, height, width, "
            f"channels). Received: {argument}={kind!r}, for {what}={describe(array)}"
        )
    if kind != "segmentation_mask" and array.ndim == 4 and array.shape[-1] not in (1, 3, 4):
        raise ValueError(
            f"Images must have 1, 3 or 4 channels. Received: {argument}={kind!r}, for {what}="
            f"{describe(array)}"
        )


def _colors_of(classes: int, options: LayoutOptions) -> Floats:
    if options.colors is None:
        return default_colors(classes)
    if len(options.colors) < classes:
        raise ValueError(
            f"`class_colors` must have a color for each of {classes} classes. Received: "
            f"{len(options.colors)} colors"
        )
    return options.colors


def _labels_for(values: npt.NDArray[Any], labels: list[str] | None, what: str) -> list[str] | None:
    """Returns the labels if they fit the values that they name.

    Args:
        values: Shape (n,), (n, 1) or (n, classes).
        labels: The names of the classes; None for no names.
        what: What the values are, for the error.

    Raises:
        ValueError: If there is not a label for each class. One unit needs two labels, false and
            true, or class indices as values.
    """
    if labels is None:
        return None
    units = 1 if values.ndim == 1 else values.shape[-1]
    if units > 1:
        return class_names(labels, units)
    if len(labels) == 2:
        return labels
    if values.dtype.kind in "iu" and values.min() >= 0 and values.max() < len(labels):
        return labels
    raise ValueError(
        f"`labels` must be two, for false and true, where the {what} have one unit. Received: "
        f"labels={labels!r}"
    )


def _captions(values: npt.NDArray[Any], labels: list[str] | None) -> list[str]:
    """Returns a caption for each example.

    Args:
        values: Shape (n,) or (n, 1): a number, or the probability of the second of two classes.
            Shape (n, classes): a score for each class.
        labels: The names of the classes.
    """
    if values.ndim > 1 and values.shape[-1] > 1:
        best = values.reshape(len(values), -1).argmax(axis=-1).tolist()
        return [str(number) if labels is None else labels[number] for number in best]
    numbers = values.reshape(len(values)).tolist()
    if labels is None:
        return [f"{each:.6g}" if isinstance(each, float) else str(each) for each in numbers]
    if len(labels) == 2:
        return [labels[int(number > _THRESHOLD)] for number in numbers]
    known = dict(enumerate(labels))
    return [known.get(number, str(number)) for number in numbers]


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray)
