"""The guessed columns of a table of validation data, and of a table of predictions."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from wk_eval.samples import Samples
from wk_legacy.images.rendering import ImagePainter
from wk_legacy.tables.inferred_columns import Background, Cell, guessed_cells

Array: TypeAlias = npt.NDArray[Any]
Arrays: TypeAlias = Mapping[str, Array]
Guesses: TypeAlias = dict[str, tuple[str, Cell]]
"""Guessed columns: for each the column that it is made of, and what makes its cells."""


class TableGuesses:
    """Guesses columns for the columns of tables.

    Args:
        samples: The validation data.
        columns: Its columns.
        labels: The names of classes.
        painter: Returns what makes pixels of images, by their name and all that are known.
    """

    def __init__(
        self,
        samples: Samples,
        columns: Arrays,
        labels: list[str] | None,
        painter: Callable[[str, Array], ImagePainter],
    ) -> None:
        self._samples = samples
        self._columns = columns
        self._labels = labels
        self._painter = painter

    def of_data(self) -> Guesses:
        """Returns columns for those of the validation data; labels are not used for inputs."""
        inputs = self._samples.named_inputs()
        guesses: Guesses = {}
        for source, array in self._columns.items():
            find_painter = partial(self._painter, source, array)
            if source in inputs:
                guesses |= _named(source, guessed_cells(array[0], find_painter))
            else:
                guesses |= self._of_classes(source, array, find_painter)
        return guesses

    def of_outputs(self, outputs: Arrays) -> Guesses:
        """Returns columns for those of the predictions.

        Args:
            outputs: What the model puts out for the first example, by column.
        """
        guesses: Guesses = {}
        for source, array in outputs.items():
            find_painter = partial(self._painter, *self._reference(source, array))
            guesses |= self._of_classes(source, array, find_painter)
        return guesses

    def cells(self, guesses: Guesses, rows: Arrays) -> Iterator[dict[str, Any]]:
        """Yields the guessed cells of one row after the other.

        Args:
            guesses: The columns.
            rows: The columns that they are made of.
        """
        inputs = self._samples.inputs
        shown = inputs if isinstance(inputs, np.ndarray) else None
        for number in range(self._samples.count):
            behind = None if shown is None else shown[number]
            yield {
                name: cell(rows[source][number], behind) for name, (source, cell) in guesses.items()
            }

    def _of_classes(
        self, source: str, array: Array, find_painter: Callable[[], ImagePainter]
    ) -> Guesses:
        """Returns columns for targets or outputs, which may be classes, or masks of the input."""
        inputs = self._samples.inputs
        background = None
        if isinstance(inputs, np.ndarray):
            background = Background(inputs[0], partial(self._painter, "input", inputs))
        cells = guessed_cells(array[0], find_painter, labels=self._labels, background=background)
        return _named(source, cells)

    def _reference(self, source: str, outputs: Array) -> tuple[str, Array]:
        """Returns the name and the array that tell the range of an output's values."""
        for name in (source, source.replace("output", "target", 1)):
            known = self._columns.get(name)
            if known is not None and known.shape[1:] == outputs.shape[1:]:
                return name, known
        return source, outputs


def _named(source: str, cells: Mapping[str, Cell]) -> Guesses:
    return {f"{source}:{name}": (source, cell) for name, cell in cells.items()}
