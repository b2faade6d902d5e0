"""The examples that an evaluation looks at, chosen once."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from wk_core.keras import LEGACY, keras
from wk_eval.arrays import is_tensor
from wk_eval.data.endless import is_endless, knows_its_end
from wk_eval.data.rows import Rows, count_rows, take_rows

Arrays: TypeAlias = npt.NDArray[Any] | dict[str, Any] | tuple[Any, ...]
"""An array, or several by name or by position; the examples lie along the first axis of each."""

# How many examples are drawn from data that do not say whether they come to an end.
_MOST_UNKNOWN: Final = 1_000_000


@dataclass(frozen=True)
class Samples:
    """Examples: what goes into the model, and what should come out.

    Attributes:
        inputs: What the model takes.
        targets: What it should put out.
        count: How many examples there are.
    """

    inputs: Arrays
    targets: Arrays
    count: int

    def __deepcopy__(self, memo: dict[int, Any]) -> "Samples":
        return self  # nobody changes it: copies of an evaluation look at the same ones

    def batches(self, size: int) -> Iterator[tuple[int, Arrays]]:
        """Yields the inputs in batches, each with the number of its first example."""
        for start in range(0, self.count, size):
            batch = slice(start, start + size)
            yield start, map_arrays(itemgetter(batch), self.inputs)

    def chosen(self, numbers: npt.NDArray[np.intp]) -> "Samples":
        """Returns some of the examples, in a copy."""
        inputs, targets = map_arrays(itemgetter(numbers), (self.inputs, self.targets))
        return Samples(inputs, targets, len(numbers))

    def named_inputs(self) -> dict[str, npt.NDArray[Any]]:
        """Returns the inputs by name: `input` where there is one, else as the data names them."""
        return named(self.inputs, "input")


def draw_samples(data: Any, num_samples: int | None) -> Samples:
    """Chooses examples from data, the same ones for the same data.

    Of arrays, which can be looked up anywhere, it takes examples at equal distances, from the
    first one on: number ⌊i · n / num_samples⌋ of n. Of anything else it takes the first ones, in
    the order in which they come.

    Args:
        data: A tuple `(inputs, targets)` of arrays, which may be followed by sample weights; or
            batches of such tuples: a `tf.data.Dataset`, a Keras `PyDataset`, a PyTorch
            `DataLoader` or any other iterable. Inputs and targets are arrays, or several of them
            in a dictionary, a tuple or a list.
        num_samples: How many; None for all.

    Raises:
        ValueError: If there are no examples, or if arrays differ in their number; if all are wanted
            of data that have no end.
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


def map_arrays(function: Callable[[Any], Any], arrays: Any) -> Any:
    """Returns arrays, or a nest of them, with a function applied to each one."""
    if isinstance(arrays, Mapping):
        return {name: map_arrays(function, each) for name, each in arrays.items()}
    if isinstance(arrays, tuple):
        return tuple(map_arrays(function, each) for each in arrays)
    return function(arrays)


def with_tuples(arrays: Any) -> Any:
    """Returns a nest of arrays with tuples for lists, as what takes `Arrays` knows it."""
    if isinstance(arrays, Mapping):
        return {name: with_tuples(each) for name, each in arrays.items()}
    if _is_nest(arrays):
        return tuple(with_tuples(each) for each in arrays)
    return arrays


def named(arrays: Arrays, name: str) -> dict[str, npt.NDArray[Any]]:
    """Returns arrays by name: as they are named, numbered, or the one by the name given."""
    if isinstance(arrays, dict):
        return dict(arrays)
    if isinstance(arrays, tuple):
        return {f"{name}_{number}": array for number, array in enumerate(arrays)}
    return {name: arrays}


def select(
    arrays: Any, chosen: str | int | None, what: str, names: Sequence[str] | None = None
) -> Any:
    """Returns the one of several arrays that is evaluated.

    Args:
        arrays: One or several.
        chosen: Its name or its position; None where there is but one.
        what: What they are, for the error.
        names: Names of arrays that go by position.

    Raises:
        ValueError: If there is none of that name or position, or if none was chosen of several.
    """
    if isinstance(arrays, dict):
        if chosen in arrays:
            return arrays[chosen]
        if chosen is None:
            return arrays[next(iter(arrays))] if len(arrays) == 1 else arrays
        known: Any = list(arrays)
        if isinstance(chosen, int) and -len(known) <= chosen < len(known):
            return arrays[known[chosen]]
    elif isinstance(arrays, tuple):
        known = list(names or range(len(arrays)))
        position = known.index(chosen) if chosen in known else chosen
        if isinstance(position, int) and -len(arrays) <= position < len(arrays):
            return arrays[position]
        if chosen is None:
            return arrays[0] if len(arrays) == 1 else arrays
    else:
        return arrays
    raise ValueError(
        f"`output` must be one of {known!r}, by which the {what} go. Received: output={chosen!r}"
    )


def describe(arrays: Any) -> str:
    """Returns what can be said of arrays in an error: their shapes and types."""
    if isinstance(arrays, Mapping):
        return "{" + ", ".join(f"{name!r}: {describe(each)}" for name, each in arrays.items()) + "}"
    if isinstance(arrays, tuple):
        return "(" + ", ".join(describe(each) for each in arrays) + ")"
    if not is_tensor(arrays):
        return f"{arrays!r:.200}"
    kind = getattr(arrays, "dtype", None) or type(arrays).__name__
    return f"shape {tuple(arrays.shape)} of {kind}"


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
    """Returns what yields the batches of data that come in batches, from the first one on.

    Raises:
        TypeError: If data do not come in batches.
    """
    dataset_class = keras.utils.Sequence if LEGACY else keras.utils.PyDataset
    if isinstance(data, dataset_class):
        count = len(data) if LEGACY else data.num_batches
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

    What has rows of unequal length is filled up: inputs with 0, targets with -1.
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


def _is_nest(arrays: Any) -> bool:
    """Tells whether a list or a tuple holds arrays, instead of being one."""
    return isinstance(arrays, (tuple, list)) and any(
        (is_tensor(each) and len(each.shape) > 0) or isinstance(each, Mapping) or _is_nest(each)
        for each in arrays
    )


def _without_end(received: str) -> str:
    return (
        "All examples can be drawn only of data that come to an end: say how many with "
        f"`num_samples`, or take so many batches of the data. Received: {received}"
    )


def _joined(drawn: list[tuple[Any, Any]]) -> tuple[Any, Any]:
    """Returns batches as one, along the first axis.

    Batches of other sizes along other axes are padded: inputs with 0, targets with -1.
    """
    return join([pair[0] for pair in drawn], 0), join([pair[1] for pair in drawn], -1)


def join(parts: list[Any], fill: int = 0) -> Any:
    """Returns arrays that belong together, or nests of them, joined along the first axis.

    Args:
        parts: Arrays in order, or nests of them that are alike.
        fill: What those are padded with that are smaller along another axis.
    """
    first = parts[0]
    if isinstance(first, dict):
        return {name: join([part[name] for part in parts], fill) for name in first}
    if isinstance(first, (tuple, list)):
        return type(first)(join([part[at] for part in parts], fill) for at in range(len(first)))
    return first if len(parts) == 1 else np.concatenate(_padded(parts, fill))


def _padded(parts: list[npt.NDArray[Any]], fill: int) -> list[npt.NDArray[Any]]:
    shapes = {part.shape[1:] for part in parts}
    if len(shapes) == 1 or len({len(shape) for shape in shapes}) > 1:
        return parts
    largest = [max(sizes) for sizes in zip(*shapes, strict=True)]
    return [
        np.pad(
            part,
            [(0, 0), *((0, size - own) for size, own in zip(largest, part.shape[1:], strict=True))],
            constant_values=fill,
        )
        for part in parts
    ]


def leaves(arrays: Any) -> Iterator[Any]:
    """Yields the arrays of a nest."""
    if isinstance(arrays, Mapping):
        arrays = tuple(arrays.values())
    if isinstance(arrays, tuple):
        for each in arrays:
            yield from leaves(each)
    else:
        yield arrays
