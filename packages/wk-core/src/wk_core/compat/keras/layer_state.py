"""What layers keep beside the weights that are trained."""

import functools
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from wk_core.compat.keras.attribute_state import (
    PutBack,
    is_of_a_library,
    keep_attributes,
    keep_modules,
)
from wk_core.compat.keras.flavour import (
    backend,
    has_value,
    is_only_read,
    keras,
    layer_seed_variables,
    metric_variables,
    non_trainable_variables,
    raw_variable,
    seed_variables,
    trainable_variables,
)
from wk_core.compat.keras.graph import all_layers
from wk_core.compat.keras.sharding import is_multi_process

__all__ = [
    "has_state_beside_variables",
    "keep_layers",
    "keep_variable",
    "layer_states",
    "recurrent_states",
]

# The largest trained weight, in bytes, that counts as something that a layer may write itself.
_LARGEST_COUNT: Final = 2**24
# How deep lists and dictionaries in attributes are looked through.
_DEPTH: Final = 3


def keep_layers(model: Any, *, weights: bool) -> list[PutBack]:
    """Copies what a model and its layers keep; returns what puts it back.

    Args:
        model: The model; its state must be in its variables (`sync_state`).
        weights: Whether the trained weights are kept, too.
    """
    layers = all_layers(model)
    kept: list[PutBack] = []
    seen: set[int] = set()
    # Where processes share arrays, the one that looks does so without writing to variables.
    if not is_multi_process(model):
        for variable in _variables(model, layers, weights=weights):
            if id(variable) not in seen and has_value(variable):
                seen.add(id(variable))
                kept.append(keep_variable(variable))
    for layer in layers:
        for part in _foreign_parts(layer):
            if id(part) not in seen:
                seen.add(id(part))
                kept += _keep_foreign(part)
        kept += keep_attributes(layer)
    if backend() == "torch":
        kept += keep_modules(layers)
    return kept


def keep_variable(variable: Any) -> PutBack:
    """Copies a variable's value; returns what assigns it."""
    if backend() == "tensorflow":
        raw = raw_variable(variable)
        # On several devices each has a value of its own, which need not be alike.
        return _keep_each(getattr(raw, "values", None) or (raw,))
    if backend() == "torch":
        value = variable.value.detach().clone()
    else:
        value = keras.ops.copy(variable.value)  # predicting may give the array itself away
    return functools.partial(variable.assign, value)


def recurrent_states(model: Any) -> list[Any]:
    """Returns the variables in which stateful recurrent layers keep what a batch has left.

    They are among the variables of no layer, and Keras saves them in no file.
    """
    layers = all_layers(model)
    return [state for layer in layers for state in layer_states(layer)]


def layer_states(layer: Any) -> list[Any]:
    """Returns the variables of a recurrent layer's `states`; none if it is not stateful or built.

    TensorFlow wraps a layer's tuples. Keras' `tree` takes such a wrapper for a leaf.
    """
    return list(_variables_in(getattr(layer, "states", None)))


def has_state_beside_variables(model: Any) -> bool:
    """Returns whether layers keep something that a `StatelessScope` does not hold back."""
    return any(True for layer in all_layers(model) for _ in _foreign_parts(layer))


def _keep_each(variables: Any) -> PutBack:
    kept = [(variable, variable.read_value()) for variable in variables]

    def put_back() -> None:
        for variable, value in kept:
            variable.assign(value)

    return put_back


def _variables(model: Any, layers: list[Any], *, weights: bool) -> Iterator[Any]:
    """Yields the variables that a call may write, some of them twice."""
    yield from seed_variables(model)
    yield from metric_variables(model)
    if weights:
        yield from model.trainable_variables
    for layer in layers:
        if is_only_read(layer):
            continue
        yield from non_trainable_variables(layer)
        for metric in getattr(layer, "_metrics", ()):
            yield from metric.variables
        yield from layer_states(layer)
        yield from layer_seed_variables(layer)
        if not is_of_a_library(layer):
            trained = trainable_variables(layer)
            yield from (each for each in trained if _bytes(each) <= _LARGEST_COUNT)


def _bytes(variable: Any) -> int:
    size = int(np.prod([each or 1 for each in variable.shape], dtype=np.int64))
    return 4 * size


def _variables_in(states: Any) -> Iterator[Any]:
    if isinstance(states, (list, tuple)):
        for each in states:
            yield from _variables_in(each)
    elif callable(getattr(states, "assign", None)):
        yield states


def _foreign_parts(layer: Any) -> Iterator[Any]:
    """Yields TensorFlow's own objects in a layer's attributes that keep something."""
    if backend() != "tensorflow":
        return
    tensorflow = sys.modules["tensorflow"]
    generator = getattr(getattr(layer, "_random_generator", None), "_generator", None)
    if isinstance(generator, tensorflow.random.Generator):  # of Keras 2
        yield generator
    if not is_of_a_library(layer):
        for value in list(vars(layer).values()):
            yield from _foreign_in(value, _DEPTH)


def _foreign_in(value: Any, depth: int) -> Iterator[Any]:
    tensorflow = sys.modules["tensorflow"]
    if isinstance(value, (keras.layers.Layer, keras.metrics.Metric, keras.optimizers.Optimizer)):
        return
    if isinstance(value, (tensorflow.Variable, tensorflow.random.Generator)):
        yield value
    elif isinstance(value, tensorflow.Module):
        yield from value.variables
    elif _is_table(value):
        yield value
    elif depth and isinstance(value, Mapping):
        for each in list(value.values()):
            yield from _foreign_in(each, depth - 1)
    elif depth and isinstance(value, (list, tuple, set)):
        for each in list(value):
            yield from _foreign_in(each, depth - 1)


def _is_table(value: Any) -> bool:
    """Returns whether a value is a lookup table that takes new entries."""
    return all(callable(getattr(value, name, None)) for name in ("export", "insert", "remove"))


def _keep_foreign(part: Any) -> list[PutBack]:
    if _is_table(part):
        return [_keep_table(part)]
    variable = getattr(part, "state", part)  # of a generator
    return [_keep_each(getattr(variable, "values", None) or (variable,))]


def _keep_table(table: Any) -> PutBack:
    keys, values = table.export()

    def put_back() -> None:
        now, _ = table.export()
        table.remove(now)
        table.insert(keys, values)

    return put_back
