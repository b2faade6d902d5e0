"""Which weights hold values that are not finite: NaN, or an infinity that training has brought."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Final

import numpy as np

from wk_core.compat.keras.flavour import (
    LEGACY,
    has_value,
    keras,
    metric_variables,
    to_numpy,
    weight_path,
)
from wk_core.compat.keras.optimizers import find_optimizers
from wk_core.compat.keras.saved_objects import SavedObject, saved_values

__all__ = ["infinite_by_design", "non_finite", "values_of_model"]

_PIECE: Final = 1 << 16  # numbers to look at at a time, for which memory is at hand


def non_finite(values: Iterable[tuple[str, Any]], by_design: Collection[str]) -> list[str]:
    """Returns the names of the values that hold NaN or an infinity, each once, in order.

    Args:
        values: Names, and variables, tensors or arrays of any type.
        by_design: The names of those that may hold infinities, but no NaN.
    """
    found = []
    for name, value in values:
        array = _floats(value)
        if array is None or _is_finite(array):
            continue
        if name not in by_design or np.isnan(array).any():
            found.append(name)
    return list(dict.fromkeys(found))


def infinite_by_design(model: Any, objects: Sequence[SavedObject]) -> frozenset[str]:
    """Returns the names of the untrained weights that are infinite before training, as masks are.

    Args:
        model: The model, of which no process holds a part only.
        objects: Its saved objects; empty where they are unknown.
    """
    untrained = [
        (weight_path(weight), weight) for weight in model.non_trainable_weights if has_value(weight)
    ]
    for one in objects:
        if not LEGACY and isinstance(one.holder, keras.layers.TorchModuleWrapper):
            buffers = saved_values(one.holder).items()
            untrained += [(f"{one.path}/{key}", value) for key, value in buffers]
    arrays = ((name, _floats(value)) for name, value in untrained)
    return frozenset(name for name, array in arrays if array is not None and np.isinf(array).any())


def values_of_model(model: Any) -> Iterator[tuple[str, Any]]:
    """Yields the names and the variables of a model's weights and optimizers, without metrics."""
    metrics = {id(variable) for variable in metric_variables(model)}
    variables = list(model.weights)
    for optimizer in find_optimizers(model).values():
        own = optimizer.variables  # a method of Keras 2's older optimizers
        variables += own() if callable(own) else own
    for variable in variables:
        if id(variable) not in metrics and has_value(variable):
            yield weight_path(variable), variable


def _is_finite(array: np.ndarray) -> bool:
    flat = array.reshape(-1)
    pieces = range(0, flat.size, _PIECE)
    return all(np.isfinite(flat[start : start + _PIECE]).all() for start in pieces)


def _floats(value: Any) -> np.ndarray | None:
    """Returns a value as an array; None if it has no floating-point numbers."""
    # Of tensors that are on the CPU, NumPy itself needs no copy; Keras makes one.
    by_keras = hasattr(value, "assign") or hasattr(value, "detach")
    array = np.asarray(to_numpy(value) if by_keras else value)
    # The name tells of bfloat16, too, which is no kind of NumPy's own.
    return array if "float" in array.dtype.name or array.dtype.kind == "c" else None
