"""Draws confusion matrices, scatter plots, masks and grids of examples."""

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image as PILImage
from PIL import ImageDraw, ImageFont

from wk_eval.images import Pixels

_BACKGROUND: Final = (255, 255, 255)
_INK: Final = (30, 30, 40)
_PALE: Final = np.array([239, 243, 255])
_DARK: Final = np.array([8, 48, 107])
_MARGIN: Final = 8
# Colours of masks, for the first classes; further classes use them again.
_COLOURS: Final = np.array(
    [
        (0, 0, 0),
        (228, 26, 28),
        (55, 126, 184),
        (77, 175, 74),
        (152, 78, 163),
        (255, 127, 0),
        (255, 255, 51),
        (166, 86, 40),
        (247, 129, 191),
        (153, 153, 153),
    ],
    np.uint8,
)
_SHADE: Final = 0.5
_TILE: Final = 112  # the least width of a tile with a legible caption
_LINE: Final = 14
_LABEL_LENGTH: Final = 14
# The most classes of a matrix with legible names and numbers.
_READABLE: Final = 24


def confusion_picture(counts: npt.NDArray[np.int64], labels: Sequence[str]) -> PILImage.Image:
    """Draws a confusion matrix; shades each cell by its share of the row.

    Args:
        counts: Shape (classes, classes): examples by true class, in rows, and predicted class.
        labels: The names of the classes.
    """
    classes = len(labels)
    named = classes <= _READABLE
    cell = 44 if named else max(2, 960 // classes)
    side = (max(_width(_short(label)) for label in labels) + _MARGIN) if named else 0
    left, top = _LINE + 2 * _MARGIN + side, _LINE + 2 * _MARGIN + (_LINE if named else 0)
    size = (left + classes * cell + _MARGIN, top + classes * cell + _MARGIN)
    picture = PILImage.new("RGB", size, _BACKGROUND)
    draw = ImageDraw.Draw(picture)
    draw.text((left, _MARGIN), "predicted", _INK, _font())
    picture.paste(_upright("actual"), (_MARGIN, top))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    picture.paste(_shaded(shares, cell), (left, top))
    for row in range(classes if named else 0):
        for column in np.flatnonzero(counts[row]).tolist():
            ink = _BACKGROUND if shares[row, column] > 0.5 else _INK
            middle = (left + column * cell + cell // 2 - 1, top + row * cell + cell // 2 - 1)
            draw.text(middle, str(counts[row, column]), ink, _font(), anchor="mm")
        beside = (left - _MARGIN, top + row * cell + cell // 2)
        draw.text(beside, _short(labels[row]), _INK, _font(), anchor="rm")
        name = _short(labels[row], cell // 7)
        draw.text((left + row * cell + cell // 2, top - 8), name, _INK, _font(), anchor="mm")
    return picture


def _shaded(shares: npt.NDArray[Any], cell: int) -> PILImage.Image:
    """Draws a square for each share, with lines between the squares.

    Args:
        shares: Shape (classes, classes).
        cell: The distance from one square to the next, in pixels.
    """
    shades = (_PALE + (_DARK - _PALE) * shares[..., None]).astype(np.uint8)
    pixels = shades.repeat(cell, axis=0).repeat(cell, axis=1)
    for line in (pixels[cell - 1 :: cell], pixels[:, cell - 1 :: cell]):
        line[...] = _BACKGROUND
    return PILImage.fromarray(pixels)


def scatter_picture(
    x: npt.NDArray[Any], y: npt.NDArray[Any], *, x_title: str, y_title: str
) -> PILImage.Image:
    """Draws points over two axes, with a line at `y = 0`.

    Args:
        x: Shape (points,).
        y: Shape (points,).
        x_title: The title of the x axis.
        y_title: The title of the y axis.
    """
    width, height, edge = 640, 420, 56
    picture = PILImage.new("RGB", (width, height), _BACKGROUND)
    draw = ImageDraw.Draw(picture)
    finite = np.isfinite(x) & np.isfinite(y)
    x, y = x[finite], y[finite]
    (x_low, x_high), (y_low, y_high) = _limits(x), _limits(np.append(y, 0.0))
    right, bottom = width - edge // 2, height - edge

    def place(along: float, up: float) -> tuple[float, float]:
        return (
            edge + (along - x_low) / (x_high - x_low) * (right - edge),
            bottom - (up - y_low) / (y_high - y_low) * (bottom - _MARGIN),
        )

    draw.rectangle((edge, _MARGIN, right, bottom), outline=_INK)
    draw.line([place(x_low, 0.0), place(x_high, 0.0)], fill=(160, 160, 170))
    for along, up in zip(x, y, strict=True):
        left, top = place(float(along), float(up))
        draw.ellipse((left - 2, top - 2, left + 2, top + 2), fill=(33, 113, 181))
    draw.text((edge, bottom + 4), f"{x_low:.4g}", _INK, _font())
    draw.text((right, bottom + 4), f"{x_high:.4g}", _INK, _font(), anchor="ra")
    draw.text(((edge + right) // 2, bottom + 24), x_title, _INK, _font(), anchor="ma")
    draw.text((edge - 4, _MARGIN), f"{y_high:.4g}", _INK, _font(), anchor="ra")
    draw.text((edge - 4, bottom - _LINE), f"{y_low:.4g}", _INK, _font(), anchor="ra")
    picture.paste(_upright(y_title), (_MARGIN, (bottom - _MARGIN) // 2 - 20))
    return picture


def grid_picture(
    pictures: Sequence[PILImage.Image], captions: Sequence[Sequence[str]]
) -> PILImage.Image:
    """Draws pictures in rows, each with lines of text below it.

    Args:
        pictures: One or more.
        captions: The lines of text of each picture.
    """
    columns = math.ceil(math.sqrt(len(pictures)))
    rows = math.ceil(len(pictures) / columns)
    tiles = [_tile(picture) for picture in pictures]
    width = max(tile.width for tile in tiles) + _MARGIN
    height = max(tile.height for tile in tiles) + _LINE * max(map(len, captions)) + _MARGIN
    grid = PILImage.new("RGB", (columns * width, rows * height), _BACKGROUND)
    draw = ImageDraw.Draw(grid)
    for number, (tile, lines) in enumerate(zip(tiles, captions, strict=True)):
        x, y = number % columns * width, number // columns * height
        grid.paste(tile, (x, y))
        for line, text in enumerate(lines):
            at = (x, y + tile.height + line * _LINE)
            draw.text(at, _short(text, width // 6), _INK, _font())
    return grid


def draw_mask(picture: PILImage.Image, mask: Pixels) -> PILImage.Image:
    """Draws the classes of a picture's pixels in colours; class 0 stays as it is.

    Args:
        picture: The picture, of any size.
        mask: Shape (height, width).
    """
    colours = _COLOURS[np.where(mask == 0, 0, (mask - 1) % (len(_COLOURS) - 1) + 1)]
    size = (mask.shape[1], mask.shape[0])
    shown = np.asarray(picture.convert("RGB").resize(size))
    mixed = np.where((mask == 0)[..., None], shown, (1 - _SHADE) * shown + _SHADE * colours)
    return PILImage.fromarray(mixed.astype(np.uint8))


def _tile(picture: PILImage.Image) -> PILImage.Image:
    """Returns a picture in a size at which it and its caption are legible."""
    larger = max(1, math.ceil(_TILE / picture.width))
    smaller = max(1, max(picture.size) // (2 * _TILE))
    size = (picture.width * larger // smaller, picture.height * larger // smaller)
    method = PILImage.Resampling.NEAREST if larger > 1 else PILImage.Resampling.BILINEAR
    return picture.convert("RGB").resize((max(size[0], 1), max(size[1], 1)), method)


def _limits(values: npt.NDArray[Any]) -> tuple[float, float]:
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _short(text: str, length: int = _LABEL_LENGTH) -> str:
    return text if len(text) <= length else text[: max(length - 1, 1)] + "…"


def _font() -> Any:
    return ImageFont.load_default(12)


def _width(text: str) -> int:
    width: float = _font().getlength(text)
    return math.ceil(width)


def _upright(text: str) -> PILImage.Image:
    """Returns a text that runs upwards."""
    label = PILImage.new("RGB", (_width(text) + 2, _LINE + 2), _BACKGROUND)
    ImageDraw.Draw(label).text((0, 0), text, _INK, _font())
    return label.rotate(90, expand=True)
