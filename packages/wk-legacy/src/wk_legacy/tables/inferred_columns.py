"""Table columns that are inferred from the first example of a column of numbers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import wandb
from PIL import Image as PILImage

from wk_eval.data.samples import Samples
from wk_eval.tables.image import TableImage
from wk_eval.tables.pixel_source import PixelSource
from wk_legacy.images.rendering import ImageRenderer, Pixels

Array: TypeAlias = npt.NDArray[Any]
Columns: TypeAlias = Mapping[str, Array]
MakeRenderer: TypeAlias = Callable[[], ImageRenderer]
Cell: TypeAlias = Callable[[Any, Any], Any]
"""Makes a cell of an example of the column and the input of the same example, or None."""
InferredColumns: TypeAlias = dict[str, tuple[str, Cell]]
"""The source column and the function that makes cells, by the name of the inferred column."""

_MOST_NODES: Final = 10
_CHANNELS: Final = (1, 3, 4)
_FRAMES_PER_SECOND: Final = 4


class ColumnInference:
    """Infers columns from the validation data and from predictions.

    Args:
        samples: The validation data.
        columns: The validation data, by column.
        labels: The names of the classes.
        find_renderer: Returns a renderer of images, given their name and all known images.
    """

    def __init__(
        self,
        samples: Samples,
        columns: Columns,
        labels: list[str] | None,
        find_renderer: Callable[[str, Array], ImageRenderer],
    ) -> None:
        self._samples = samples
        self._columns = columns
        self._labels = labels
        self._find_renderer = find_renderer

    def of_data(self) -> InferredColumns:
        """Returns columns inferred from the validation data. Labels do not apply to inputs."""
        inputs = self._samples.named_inputs()
        inferred: InferredColumns = {}
        for source, array in self._columns.items():
            make_renderer = partial(self._find_renderer, source, array)
            if source in inputs:
                inferred |= _from_source(source, infer_cells(array[0], make_renderer))
            else:
                inferred |= self._of_classes(source, array, make_renderer)
        return inferred

    def of_outputs(self, outputs: Columns) -> InferredColumns:
        """Returns columns inferred from predictions.

        Args:
            outputs: The model's outputs for the first example, by column.
        """
        inferred: InferredColumns = {}
        for source, array in outputs.items():
            make_renderer = partial(self._find_renderer, *self._reference(source, array))
            inferred |= self._of_classes(source, array, make_renderer)
        return inferred

    def rows(self, inferred: InferredColumns, sources: Columns) -> Iterator[dict[str, Any]]:
        """Yields the inferred cells of each row.

        Args:
            inferred: The columns.
            sources: The columns from which they are inferred.
        """
        inputs = self._samples.inputs
        images = inputs if isinstance(inputs, np.ndarray) else None
        for row in range(self._samples.count):
            image = None if images is None else images[row]
            yield {
                name: make_cell(sources[source][row], image)
                for name, (source, make_cell) in inferred.items()
            }

    def _of_classes(
        self, source: str, array: Array, make_renderer: MakeRenderer
    ) -> InferredColumns:
        """Returns columns of targets or outputs, which may be classes, or masks of the input."""
        inputs = self._samples.inputs
        background = None
        if isinstance(inputs, np.ndarray):
            background = Background(inputs[0], partial(self._find_renderer, "input", inputs))
        cells = infer_cells(array[0], make_renderer, labels=self._labels, background=background)
        return _from_source(source, cells)

    def _reference(self, source: str, outputs: Array) -> tuple[str, Array]:
        """Returns the name and the array whose range of values suits an output."""
        for name in (source, source.replace("output", "target", 1)):
            known = self._columns.get(name)
            if known is not None and known.shape[1:] == outputs.shape[1:]:
                return name, known
        return source, outputs


@dataclass(frozen=True)
class Background:
    """The images over which masks are shown.

    Attributes:
        example: The input of the first example.
        make_renderer: Returns a renderer of inputs.
    """

    example: Array
    make_renderer: MakeRenderer


def infer_cells(
    example: Any,
    make_renderer: MakeRenderer,
    *,
    labels: Sequence[str] | None = None,
    background: Background | None = None,
) -> dict[str, Cell]:
    """Returns functions that make the cells of inferred columns, by the column's name.

    | the example | columns |
    |---|---|
    | a vector as long as `labels` | `max_class`, and `score` unless it is one-hot |
    | one integer | `class`; without labels `val` |
    | another vector | `node` for up to 10 numbers, `argmax`, and `argmin` unless it is one-hot |
    | two axes | `image`: a mask over an input of its size if it holds class indices |
    | three axes | `image`: a mask if it has a score for each label and cannot be an image |
    | four axes | `video` |

    Args:
        example: The first example.
        make_renderer: Returns a renderer of the column's examples.
        labels: The names of the classes.
        background: The images over which masks are shown.
    """
    array = np.asarray(example)
    if array.dtype.kind not in "biuf":
        return {}
    if labels and array.shape == (len(labels),):
        return _class_cells(array, labels)
    if array.shape in ((), (1,)) and array.dtype.kind in "iu":
        return {"class": _label(labels)} if labels else {"val": lambda value, _: _number(value)}
    if array.ndim == 1:
        return _vector_cells(array)
    if array.ndim == 4:
        return {"video": _video(make_renderer())} if _is_image(array[0]) else {}
    mask = _mask(array, labels, background)
    if mask is not None:
        return {"image": mask}
    return {"image": _image(make_renderer())} if array.ndim in (2, 3) and _is_image(array) else {}


def _from_source(source: str, cells: Mapping[str, Cell]) -> InferredColumns:
    return {f"{source}:{name}": (source, cell) for name, cell in cells.items()}


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


def _label(labels: Sequence[str]) -> Cell:
    names = dict(enumerate(labels))
    return lambda value, _: names.get(_number(value), str(_number(value)))


def _image(render: ImageRenderer) -> Cell:
    return lambda value, _: TableImage.holding(PixelSource(render(value[None])[0]))


def _mask(
    example: Array, labels: Sequence[str] | None, background: Background | None
) -> Cell | None:
    """Returns a function that shows examples as masks over inputs; None if they are no masks."""
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
    render = background.make_renderer()

    def over_input(value: Any, image: Any) -> wandb.Image:
        classes = value.argmax(axis=-1) if value.ndim == 3 else value
        mask = {"mask_data": classes.astype(np.uint8), "class_labels": names}
        return wandb.Image(PILImage.fromarray(render(image[None])[0]), masks={"masks": mask})

    return over_input


def _is_image(example: Array) -> bool:
    """Returns whether the shape is an image's, with its channels last or first."""
    channels = {example.shape[0], example.shape[-1]} if example.ndim == 3 else {1}
    return example.size > 0 and example.ndim in (2, 3) and bool(channels & set(_CHANNELS))


def _video(render: ImageRenderer) -> Cell:
    return lambda value, _: _animation(render(value))


def _animation(frames: list[Pixels]) -> wandb.Video:
    """Returns frames as a GIF, which needs no video encoder."""
    first, *others = [PILImage.fromarray(frame) for frame in frames]
    file = BytesIO()
    duration = 1000 // _FRAMES_PER_SECOND
    first.save(file, "GIF", save_all=True, append_images=others, duration=duration, loop=0)
    file.seek(0)
    return wandb.Video(file, format="gif")
