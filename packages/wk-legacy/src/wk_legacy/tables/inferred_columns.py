"""Columns that are guessed from the first example of a column of numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import wandb
from PIL import Image as PILImage

from wk_eval.pixels import Pixels
from wk_eval.table_image import Content, TableImage
from wk_legacy.images.rendering import ImagePainter

Array: TypeAlias = npt.NDArray[Any]
FindPainter: TypeAlias = Callable[[], ImagePainter]
"""Finds out how pixels are made of the examples of a column."""
Cell: TypeAlias = Callable[[Any, Any], Any]
"""Makes a cell, given an example of the column and the same example's input, or None."""

_MOST_NODES: Final = 10
_CHANNELS: Final = (1, 3, 4)
_FRAMES_PER_SECOND: Final = 4


@dataclass(frozen=True)
class Background:
    """What masks are shown over.

    Attributes:
        example: The input of the first example.
        find_painter: Finds out how pixels are made of inputs.
    """

    example: Array
    find_painter: FindPainter


def guessed_cells(
    example: Any,
    find_painter: FindPainter,
    *,
    labels: Sequence[str] | None = None,
    background: Background | None = None,
) -> dict[str, Cell]:
    """Returns what makes the columns that can be guessed for a column, by their names.

    A vector as long as `labels` gets `max_class`, and `score` unless it is one-hot; one integer
    gets `class` where there are labels, else `val`; another vector gets `node`, if it has no more
    than 10 numbers, `argmax`, and `argmin` unless it is one-hot. What has two axes gets `image`,
    which is a mask over the input where it has its size and holds numbers of labels; three axes
    get `image` as well, which is a mask if it has a score for each label and cannot be an image;
    four get `video`.

    Args:
        example: The first example.
        find_painter: Finds out how pixels are made of the column's examples.
        labels: The names of classes.
        background: What masks are shown over.
    """
    array = np.asarray(example)
    if array.dtype.kind not in "biuf":
        return {}
    if labels and array.shape == (len(labels),):
        return _class_cells(array, labels)
    if array.shape in ((), (1,)) and array.dtype.kind in "iu":
        return {"class": _named(labels)} if labels else {"val": lambda value, _: _number(value)}
    if array.ndim == 1:
        return _vector_cells(array)
    if array.ndim == 4:
        return {"video": _video(find_painter())} if _is_image(array[0]) else {}
    mask = _mask(array, labels, background)
    if mask is not None:
        return {"image": mask}
    return {"image": _image(find_painter())} if array.ndim in (2, 3) and _is_image(array) else {}


def _class_cells(example: Array, labels: Sequence[str]) -> dict[str, Cell]:
    cells: dict[str, Cell] = {"max_class": lambda value, _: labels[int(np.argmax(value))]}
    if not _is_one_hot(example):
        cells["score"] = lambda value, _: dict(zip(labels, np.asarray(value).tolist(), strict=True))
    return cells


def _vector_cells(example: Array) -> dict[str, Cell]:
    cells: dict[str, Cell] = {}
    if 0 < len(example) <= _MOST_NODES:
        cells["node"] = lambda value, _: np.asarray(value).tolist()
    if len(example):
        cells["argmax"] = lambda value, _: int(np.argmax(value))
        if not _is_one_hot(example):
            cells["argmin"] = lambda value, _: int(np.argmin(value))
    return cells


def _is_one_hot(example: Array) -> bool:
    return set(np.unique(example).tolist()) == {0, 1}


def _number(value: Any) -> int:
    return int(np.asarray(value).reshape(()))


def _named(labels: Sequence[str]) -> Cell:
    names = dict(enumerate(labels))
    return lambda value, _: names.get(_number(value), str(_number(value)))


def _image(painter: ImagePainter) -> Cell:
    return lambda value, _: TableImage.holding(Content(painter(value[None])[0]))


def _mask(
    example: Array, labels: Sequence[str] | None, background: Background | None
) -> Cell | None:
    """Returns what shows examples as masks over their inputs, if that is what they seem to be."""
    if not labels or background is None or not _is_image(background.example):
        return None
    if example.shape[:2] != background.example.shape[:2]:
        return None
    if example.ndim == 2:
        is_mask = example.dtype.kind in "biu" and example.min() >= 0
        if not is_mask or example.max() >= len(labels):
            return None
    elif example.ndim != 3 or example.shape[2] in _CHANNELS or example.shape[2] != len(labels):
        return None
    names = dict(enumerate(labels))
    painter = background.find_painter()

    def over_input(value: Any, shown: Any) -> wandb.Image:
        numbers = value.argmax(axis=-1) if value.ndim == 3 else value
        mask = {"mask_data": numbers.astype(np.uint8), "class_labels": names}
        return wandb.Image(PILImage.fromarray(painter(shown[None])[0]), masks={"masks": mask})

    return over_input


def _is_image(example: Array) -> bool:
    """Tells whether the shape is an image's, with its channels last or first."""
    channels = {example.shape[0], example.shape[-1]} if example.ndim == 3 else {1}
    return example.size > 0 and example.ndim in (2, 3) and bool(channels & set(_CHANNELS))


def _video(painter: ImagePainter) -> Cell:
    return lambda value, _: _animation(painter(value))


def _animation(frames: list[Pixels]) -> wandb.Video:
    """Returns frames as a GIF, which takes no encoder of videos."""
    first, *others = [PILImage.fromarray(frame) for frame in frames]
    file = BytesIO()
    duration = 1000 // _FRAMES_PER_SECOND
    first.save(file, "GIF", save_all=True, append_images=others, duration=duration, loop=0)
    file.seek(0)
    return wandb.Video(file, format="gif")
