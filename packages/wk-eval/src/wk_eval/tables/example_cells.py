"""Cells that show the inputs of examples."""

from typing import Any, Final

import numpy.typing as npt

from wk_eval.images import PixelRange
from wk_eval.tables.image import TableImage
from wk_eval.tables.pixel_source import PixelSource

# The most numbers of a vector that a cell shows, as in wandb's own tables.
_LONGEST_VECTOR: Final = 150


class ExampleCells:
    """Makes cells of arrays of examples: text, numbers, images, or else a description.

    The images of an array share one range of values.
    """

    def __init__(self) -> None:
        self._ranges: dict[str, PixelRange] = {}

    def cell(self, name: str, array: npt.NDArray[Any], number: int) -> Any:
        """Returns the cell that shows an example.

        Args:
            name: The array's name.
            array: Shape (examples, …).
            number: The index of the example.
        """
        example = array[number]
        if array.dtype.kind in "OUS":
            return str(example) if array.ndim == 1 else [str(each) for each in example.flat]
        if array.ndim == 1 or (array.ndim == 2 and array.shape[1] <= _LONGEST_VECTOR):
            return example.tolist()
        if array.ndim == 3 or (array.ndim == 4 and {array.shape[1], array.shape[3]} & {1, 3, 4}):
            if name not in self._ranges:
                self._ranges[name] = PixelRange()
                self._ranges[name].look_at(array)
            return TableImage.holding(PixelSource(self._ranges[name].to_bytes(example)))
        return f"array of shape {example.shape}"
