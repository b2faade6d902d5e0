"""Chooses the examples of an evaluation."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from wk_core.compat.keras.flavour import PyDataset, batch_count
from wk_core.data.arrays import describe
from wk_core.data.endless import is_endless, knows_its_end
from wk_core.data.rows import Rows, count_rows, take_rows
from wk_core.data.structures import Arrays, leaves, map_arrays, with_tuples
from wk_eval.data.structures import join, named

# The most examples to draw from data of unknown length.
_MOST_UNKNOWN: Final = 1_000_000


@dataclass(frozen=True)
class Samples:
    """Examples.

    Attributes:
        inputs: The model's inputs.
        targets: Their targets.
        count: The number of examples.
    """

    inputs: Arrays
    targets: Arrays
    count: int

    def __deepcopy__(self, memo: dict[int, Any]) -> "Samples":
        return self  # it never changes: copies of an evaluation share it

    def batches(self, size: int) -> Iterator[tuple[int, Arrays]]:
        """Yields the inputs in batches, each with the index of its first example."""
        for start in range(0, self.count, size):
            batch = slice(start, start + size)
            yield start, map_arrays(itemgetter(batch), self.inputs)

    def chosen(self, numbers: npt.NDArray[np.intp]) -> "Samples":
        """Returns a copy of some of the examples, by index."""
        inputs, targets = map_arrays(itemgetter(numbers), (self.inputs, self.targets))
        return Samples(inputs, targets, len(numbers))

    def named_inputs(self) -> dict[str, npt.NDArray[Any]]:
        """Returns the inputs by name: a single one as `input`, else by the names in the data."""
        return named(self.inputs, "input")


def draw_samples(data: Any, num_samples: int | None) -> Samples:
    """Chooses examples from data, always the same for the same data.

    From arrays it chooses examples at equal distances, from the first on: index
    ⌊i · n / num_samples⌋ of n. From other data it chooses the first examples.

    Args:
        data: A tuple `(inputs, targets)` of arrays, which may be followed by sample weights; or
            batches of such tuples: a `tf.data.Dataset`, a Keras `PyDataset`, a PyTorch
            `DataLoader` or any other iterable. Inputs and targets are arrays, or several arrays in
            a dictionary, a tuple or a list.
        num_samples: The number of examples; None for all.

    Raises:
        ValueError: If there are no examples, if inputs and targets differ in their number, or if
            `num_samples` is None for endless data.
        TypeError: If data are not as above.
    """
    if isinstance(data, tuple):
        samples = _drawn_from_arrays(*_pair(data), num_samples)
    else:
        if num_samples is None and is_endless(data):
            raise ValueError(_without_end(f"a {type(data).__name__} without end"))
        samples = _drawn_from_batches(data, num_samples)
    if samples.count == 0:
        raise ValueError("There is nothing to evaluate: the data have no examples.")
    return samples


def _drawn_from_arrays(inputs: Any, targets: Any, num_samples: int | None) -> Samples:
    inputs, targets = with_tuples(inputs), with_tuples(targets)
    counts = {count_rows(array) for array in leaves((inputs, targets))}
    if len(counts) != 1:
        raise ValueError(
            "Inputs and targets need the same number of examples. Received: inputs="
            f"{describe(inputs)}, targets={describe(targets)}"
        )
    (count,) = counts
    if num_samples is None or num_samples >= count:
        return Samples(*_taken(inputs, targets), count)
    chosen = np.arange(num_samples) * count // num_samples
    return Samples(*_taken(inputs, targets, chosen), num_samples)


def _drawn_from_batches(data: Any, num_samples: int | None) -> Samples:
    drawn: list[tuple[Any, Any]] = []
    count = 0
    for batch in batches_of(data):
        if not isinstance(batch, (tuple, list)):
            raise TypeError(
                "Data to evaluate must be a tuple (inputs, targets), or yield such tuples, in "
                f"batches. Received: {type(batch).__name__}"
            )
        inputs, targets = _pair(tuple(batch))
        inputs, targets = with_tuples(inputs), with_tuples(targets)
        count += count_rows(next(leaves(inputs)))
        drawn.append(_taken(inputs, targets))
        if num_samples is not None and count >= num_samples:
            break
        if num_samples is None and count > _MOST_UNKNOWN and not knows_its_end(data):
            raise ValueError(_without_end(f"a {type(data).__name__}, {count} examples so far"))
    if not drawn:
        return Samples(np.empty(0), np.empty(0), 0)
    inputs, targets = _joined(drawn)
    inputs, targets = map_arrays(itemgetter(slice(num_samples)), (inputs, targets))
    return _drawn_from_arrays(inputs, targets, None)


def batches_of(data: Any) -> Iterable[Any]:
    """Returns an iterable of the batches of data, from the first on.

    Raises:
        TypeError: If data do not come in batches.
    """
    if isinstance(data, PyDataset):
        count = batch_count(data)
        numbers = itertools.count() if count is None else range(count)
        return (data[number] for number in numbers)
    if isinstance(data, (str, bytes, Mapping)) or not isinstance(data, Iterable):
        raise TypeError(
            "Data to evaluate must be a tuple (inputs, targets) of arrays, or an iterable that "
            f"yields such tuples, in batches. Received: {type(data).__name__}"
        )
    return data


def _pair(values: tuple[Any, ...]) -> tuple[Any, Any]:
    if len(values) not in (2, 3):
        raise TypeError(
            "Data to evaluate must have inputs and targets, and perhaps sample weights. Received: "
            f"{len(values)} values, {describe(values)}"
        )
    return values[0], values[1]


def _taken(inputs: Any, targets: Any, rows: Rows = slice(None)) -> tuple[Any, Any]:
    """Returns rows of inputs and targets as NumPy arrays, with text for bytes.

    Rows of unequal length are padded: inputs with 0, targets with -1.
    """
    return (
        map_arrays(lambda array: _as_text(take_rows(array, rows, 0)), inputs),
        map_arrays(lambda array: _as_text(take_rows(array, rows, -1)), targets),
    )


def _as_text(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if array.dtype.kind == "S" or (array.dtype == object and _begins_with_bytes(array)):
        texts = [text.decode(errors="replace") for text in array.flat]
        return np.array(texts, dtype=object).reshape(array.shape)
    return array


def _begins_with_bytes(array: npt.NDArray[Any]) -> bool:
    return bool(array.size) and isinstance(array.flat[0], bytes)


def _without_end(received: str) -> str:
    return (
        "All examples can be drawn only of data that come to an end: say how many with "
        f"`num_samples`, or take so many batches of the data. Received: {received}"
    )


def _joined(drawn: list[tuple[Any, Any]]) -> tuple[Any, Any]:
    """Joins batches along the first axis.

    Batches that differ along other axes are padded: inputs with 0, targets with -1.
    """
    return join([pair[0] for pair in drawn], 0), join([pair[1] for pair in drawn], -1)
