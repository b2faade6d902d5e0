"""Renders images and masks as 8-bit pixels."""

import colorsys
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from wk_eval.images import PixelRange

Floats: TypeAlias = npt.NDArray[np.float32]
Pixels: TypeAlias = npt.NDArray[np.uint8]
Renderer: TypeAlias = Callable[[npt.NDArray[Any]], list[Pixels]]
"""Returns the pixels of each example of an array."""


def checked_colors(class_colors: Any) -> Floats | None:
    """Returns colors as an array, shape (classes, 3); None for None.

    Raises:
        ValueError: If they are not triples of numbers from 0 to 1.
    """
    if class_colors is None:
        return None
    try:
        colors = np.asarray(class_colors, np.float32)
    except (TypeError, ValueError):  # not numbers, or rows of different lengths
        colors = np.empty(0, np.float32)
    if colors.ndim != 2 or colors.shape[1] != 3 or not ((colors >= 0) & (colors <= 1)).all():
        raise ValueError(
            "`class_colors` must have a triple for each class, red, green and blue from 0 to 1. "
            f"Received: class_colors={class_colors!r}"
        )
    return colors


def default_colors(classes: int) -> Floats:
    """Returns black for class 0 and evenly spaced hues for the others, shape (classes, 3)."""
    hues = [number / (classes - 1) for number in range(classes - 1)]
    colors = [(0.0, 0.0, 0.0), *(colorsys.hsv_to_rgb(hue, 1.0, 1.0) for hue in hues)]
    return np.asarray(colors, np.float32)


class ImageRenderer:
    """Renders images, all with the same values for black and white.

    Values beyond these two are black or white; NaN is black.

    Args:
        low: The value that is black.
        high: The value that is white.
    """

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    def __call__(self, images: npt.NDArray[Any]) -> list[Pixels]:
        """Returns the pixels of each image.

        Args:
            images: Shape (n, height, width) or (n, height, width, channels).
        """
        if images.dtype != np.uint8 or (self.low, self.high) != (0, 255):
            scaled = (images.astype(np.float32) - self.low) / ((self.high - self.low) or 1.0)
            clipped = np.fmin(np.fmax(scaled, 0.0), 1.0)  # NaN becomes 0
            images = (clipped * 255.0 + 0.5).astype(np.uint8)
        return [PixelRange().to_bytes(image) for image in images]


class MaskRenderer:
    """Renders each pixel of a mask in the color of its class.

    Args:
        colors: Shape (classes, 3): the colors of the classes, from 0 to 1.
    """

    def __init__(self, colors: Floats) -> None:
        self._colors = (colors * 255.0 + 0.5).astype(np.uint8)

    def __call__(self, masks: npt.NDArray[Any]) -> list[Pixels]:
        """Returns the pixels of each mask.

        Args:
            masks: Scores of the classes, shape (n, height, width, classes); or class indices,
                shape (n, height, width) or (n, height, width, 1).
        """
        if masks.ndim == 3:
            classes = masks
        elif masks.shape[-1] == 1:
            classes = masks[..., 0]
        else:
            classes = masks.argmax(axis=-1)
        classes = np.clip(classes.astype(np.int64), 0, len(self._colors) - 1)
        return list(self._colors[classes])


def image_renderer(images: npt.NDArray[Any], *, mask: bool = False) -> ImageRenderer:
    """Returns a renderer whose black and white suit these images.

    Args:
        images: All images that are known; their range of values decides.
        mask: Whether they are masks of two classes, which may be indices 0 and 1.
    """
    values = images if images.dtype.kind in "biuf" else images.astype(np.float32)
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    if not np.isfinite(low + high):
        values = values[np.isfinite(values)]
        low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    if mask and low >= 0 and high <= 1:
        return ImageRenderer(0.0, 1.0)
    if values.dtype.kind in "iu" and (low < 0 or high > 65535):
        return ImageRenderer(low, high)
    usual = PixelRange()
    usual.look_at(values)
    return ImageRenderer(*(usual.bounds(values.dtype) or (low, high)))


def checked_range(image_range: Any) -> tuple[float, float] | None:
    """Returns the values that are black and white; None if the data decide.

    Raises:
        ValueError: If they are not two numbers, the lower one first.
    """
    if image_range is None:
        return None
    values = list(image_range) if isinstance(image_range, Sequence) else []
    numbers = [each for each in values if isinstance(each, (int, float))]
    if len(values) != 2 or len(numbers) != 2 or not numbers[0] < numbers[1]:
        raise ValueError(
            "`image_range` must be the value that is black and the one that is white, as (0, 255) "
            f"or (-1.0, 1.0). Received: image_range={image_range!r}"
        )
    return float(numbers[0]), float(numbers[1])
