"""The data of the gradients, in batches."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from wk_core.compat.keras.flavour import PyDataset, backend, batch_count, keras
from wk_core.data.arrays import as_array, describe, is_tensor
from wk_core.data.endless import is_endless
from wk_core.data.rows import count_rows, is_container, take_rows
from wk_core.data.structures import leaves, map_arrays, with_tuples

_ACCEPTED: Final = (
    "a tuple `(x, y)` or `(x, y, sample_weight)` of arrays, or what yields such tuples, in "
    "batches, each time anew: a `tf.data.Dataset`, a Keras `PyDataset`, a PyTorch `DataLoader`"
)


@dataclass(frozen=True)
class Batch:
    """A batch of the data.

    Attributes:
        x: The inputs of the model.
        y: The targets.
        sample_weight: The weight of each sample; None for equal weights.
        count: The number of samples.
    """

    x: Any
    y: Any
    sample_weight: Any
    count: int


class TrainingData:
    """Data for training, which can be read repeatedly.

    Args:
        data: A tuple `(x, y)` or `(x, y, sample_weight)` of arrays, or of several arrays in a
            dictionary, a list or a tuple; or batches of such tuples: a `tf.data.Dataset`, a Keras
            `PyDataset`, a PyTorch `DataLoader` or another iterable.

    Raises:
        TypeError: If the data are of another kind, or can be read only once.
        ValueError: If they have no end, no samples, or arrays of different lengths.
    """

    def __init__(self, data: Any) -> None:
        if isinstance(data, list) and data and all(is_tensor(each) for each in data):
            data = tuple(data)
        self._data = data
        self.in_arrays = isinstance(data, tuple)
        if self.in_arrays:
            self._data = map_arrays(_with_rows, _parts(data))
            _count(self._data)
        else:
            _check_batches(data)

    def batches(self, size: int) -> Iterator[Batch]:
        """Yields all of the data in order.

        Args:
            size: The number of samples in a batch of arrays.

        Raises:
            TypeError: If the data yield anything but tuples as above.
            ValueError: If they yield nothing, or arrays of different lengths.
        """
        if self.in_arrays:
            yield from (self._slice(start, size) for start in self._starts(size))
            return
        nothing = True
        for batch in self._batches():
            nothing = False
            yield _batch(_parts(batch))
        if nothing:
            raise ValueError("`training_data` must have samples. Received: data without any.")

    def shapes(self, size: int) -> Iterator[Batch]:
        """Yields a batch of each shape that batches of arrays have; of other data the first batch.

        Args:
            size: As for `batches`.
        """
        yield next(self.batches(size))
        if self.in_arrays:
            yield self._slice(self._starts(size)[-1], size)

    def _starts(self, size: int) -> range:
        return range(0, _count(self._data), size)

    def _slice(self, start: int, size: int) -> Batch:
        rows = slice(start, start + size)
        return _batch(map_arrays(lambda array: _as_floatx(_rows_of(array, rows)), self._data))

    def _batches(self) -> Iterable[Any]:
        if isinstance(self._data, PyDataset):
            return (self._data[number] for number in range(batch_count(self._data) or 0))
        batches: Iterable[Any] = self._data
        return batches


def _batch(parts: Any) -> Batch:
    x, y, sample_weight = map_arrays(_as_native, parts)
    return Batch(x, y, sample_weight, _count((x, y, sample_weight)))


def _check_batches(data: Any) -> None:
    if isinstance(data, Iterator):
        raise TypeError(
            f"`training_data` must be {_ACCEPTED}. A generator can be gone through only once, but "
            f"gradients are taken after each epoch. Received: {type(data).__name__}"
        )
    refused = isinstance(data, (str, bytes, Mapping)) or is_tensor(data)
    if refused or not isinstance(data, (Iterable, PyDataset)):
        raise TypeError(f"`training_data` must be {_ACCEPTED}. Received: {type(data).__name__}")
    if is_endless(data):
        raise ValueError(
            "`training_data` must come to an end: take so many batches of it. Received: a "
            f"{type(data).__name__} without end"
        )


def _parts(data: Any) -> tuple[Any, Any, Any]:
    if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
        received = describe(data) if isinstance(data, tuple) else type(data).__name__
        raise TypeError(f"`training_data` must be {_ACCEPTED}. Received: {received}")
    return data[0], data[1], data[2] if len(data) == 3 else None


def _count(parts: Any) -> int:
    """Returns the number of samples, which all arrays have in common."""
    lengths = {_length_of(array) for array in leaves(parts) if array is not None}
    if len(lengths) != 1 or 0 in lengths:
        raise ValueError(
            "`training_data` must have arrays of the same length, with a sample at least. "
            f"Received: {_described(parts)}"
        )
    (length,) = lengths
    return length


def _length_of(array: Any) -> int:
    return count_rows(array) if is_container(array) or len(array.shape) else 0


def _described(parts: Any) -> str:
    names = ("x", "y", "sample_weight")
    given = zip(names, map(with_tuples, parts), strict=True)
    return ", ".join(f"{name}={describe(part)}" for name, part in given if part is not None)


def _with_rows(array: Any) -> Any:
    """Returns an array, or a container with rows, whose rows become arrays later."""
    return array if is_container(array) else _as_native(array)


def _rows_of(array: Any, rows: slice) -> Any:
    if array is None:
        return None
    return take_rows(array, rows) if is_container(array) else array[rows]


def _as_native(array: Any) -> Any:
    """Returns a NumPy array; the backend's own tensor and None unchanged."""
    if array is None:
        return None
    if is_container(array):
        return take_rows(array)
    if is_tensor(array) and type(array).__module__.partition(".")[0] == backend():
        return array
    return as_array(array)


def _as_floatx(array: Any) -> Any:
    """Returns an array as `fit` reads it, which casts floats to Keras' `floatx`."""
    if isinstance(array, np.ndarray) and array.dtype.kind == "f":
        return array.astype(keras.backend.floatx(), copy=False)
    return array
