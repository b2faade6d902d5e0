"""Names, chooses and joins nested arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from wk_core.data.structures import Arrays


def named(arrays: Arrays, name: str) -> dict[str, npt.NDArray[Any]]:
    """Returns arrays by name: a single one as `name`, others by theirs or as `name_0` and so on."""
    if isinstance(arrays, dict):
        return dict(arrays)
    if isinstance(arrays, tuple):
        return {f"{name}_{number}": array for number, array in enumerate(arrays)}
    return {name: arrays}


def select(
    arrays: Any, chosen: str | int | None, what: str, names: Sequence[str] | None = None
) -> Any:
    """Returns one of several arrays.

    Args:
        arrays: One array, or several.
        chosen: The name or the position of the array; None for a single array.
        what: What the arrays are, for the error.
        names: The names of arrays that have positions.

    Raises:
        ValueError: If there is no array of that name or position.
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


def join(parts: list[Any], fill: int = 0) -> Any:
    """Joins arrays, or nested arrays of the same structure, along the first axis.

    Args:
        parts: The arrays, in order.
        fill: The padding of arrays that are smaller along another axis.
    """
    first = parts[0]
    if isinstance(first, dict):
        return {name: join([part[name] for part in parts], fill) for name in first}
    if isinstance(first, (tuple, list)):
        joined = [join([part[at] for part in parts], fill) for at in range(len(first))]
        return joined if isinstance(first, list) else tuple(joined)
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
