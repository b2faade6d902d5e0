"""What layers keep beside the weights that are trained."""

import functools
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

import numpy as np

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
    "PutBack",
    "has_state_beside_variables",
    "keep_layers",
    "keep_variable",
    "layer_states",
    "recurrent_states",
]

PutBack: TypeAlias = Callable[[], object]
"""Puts back what has been kept."""

# The largest trained weight, in bytes, that counts as something that a layer may write itself.
_LARGEST_COUNT: Final = 2**24
# The largest array, in bytes, that is copied from an attribute.
_LARGEST_ATTRIBUTE: Final = 2**20
# How deep lists and dictionaries in attributes are looked through.
_DEPTH: Final = 3
_NUMBERS: Final = (bool, int, float, complex, str)


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
        if not _is_of_a_library(layer):
            kept += _keep_attributes(layer, _attributes_of_a_layer())
    if backend() == "torch":
        kept += _keep_modules(layers)
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
    """Tells whether layers keep something that a `StatelessScope` does not hold back."""
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
        if not _is_of_a_library(layer):
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


def _is_of_a_library(owner: Any) -> bool:
    """Tells whether an object's class is Keras' or PyTorch's own, which is known to keep no more.

    A model that is a plain `Sequential` is of such a class, too.
    """
    return type(owner).__module__.partition(".")[0] in ("keras", "tf_keras", "torch")


def _foreign_parts(layer: Any) -> Iterator[Any]:
    """Yields TensorFlow's own objects in a layer's attributes that keep something."""
    if backend() != "tensorflow":
        return
    tensorflow = sys.modules["tensorflow"]
    generator = getattr(getattr(layer, "_random_generator", None), "_generator", None)
    if isinstance(generator, tensorflow.random.Generator):  # of Keras 2
        yield generator
    if not _is_of_a_library(layer):
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
    """Tells whether a value is a lookup table that takes new entries."""
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


def _keep_modules(layers: list[Any]) -> list[PutBack]:
    """Keeps the buffers and the modes of PyTorch modules, wherever layers have them."""
    kept: list[PutBack] = []
    seen: set[int] = set()
    for layer in layers:
        for module in layer.modules():
            if id(module) in seen:
                continue
            seen.add(id(module))
            kept.append(_keep_module(module))
            if not (isinstance(module, keras.layers.Layer) or _is_of_a_library(module)):
                kept += _keep_attributes(module, _attributes_of_a_module())
    return kept


def _keep_module(module: Any) -> PutBack:
    training = module.training
    buffers = {
        name: (buffer, buffer.detach().clone())
        for name, buffer in module._buffers.items()
        if buffer is not None
    }

    def put_back() -> None:
        module.training = training
        with sys.modules["torch"].no_grad():
            for name, (buffer, value) in buffers.items():
                buffer.copy_(value)
                module._buffers[name] = buffer

    return put_back


def _keep_attributes(owner: Any, known: frozenset[str]) -> list[PutBack]:
    """Keeps numbers, arrays and lists of numbers in attributes, apart from the known ones."""
    attributes = vars(owner)
    return [
        put_back
        for name, value in attributes.items()
        if name not in known and (put_back := _keep_attribute(attributes, name, value))
    ]


def _keep_attribute(attributes: dict[str, Any], name: str, value: Any) -> PutBack | None:
    if isinstance(value, _NUMBERS):
        return functools.partial(attributes.__setitem__, name, value)
    if isinstance(value, list) and all(isinstance(each, _NUMBERS) for each in value):
        return functools.partial(value.__setitem__, slice(None), list(value))
    if isinstance(value, dict) and all(isinstance(each, _NUMBERS) for each in value.values()):
        return functools.partial(_refill, value, dict(value))
    if getattr(value, "nbytes", None) is None or isinstance(value, np.generic):
        return None
    # In-place changes can be made to arrays of NumPy and PyTorch alone.
    if isinstance(value, np.ndarray) and value.flags.writeable and _is_small(value):
        return _keep_array(attributes, name, value, value.copy(), np.copyto)
    if callable(getattr(value, "copy_", None)) and _is_small(value):
        return _keep_array(attributes, name, value, value.detach().clone(), _copy_tensor)
    return functools.partial(attributes.__setitem__, name, value)


def _refill(entries: dict[Any, Any], before: dict[Any, Any]) -> None:
    if entries != before:
        entries.clear()
        entries.update(before)


def _keep_array(
    attributes: dict[str, Any],
    name: str,
    array: Any,
    values: Any,
    copy: Callable[[Any, Any], object],
) -> PutBack:
    def put_back() -> None:
        copy(array, values)
        attributes[name] = array

    return put_back


def _copy_tensor(tensor: Any, values: Any) -> None:
    with sys.modules["torch"].no_grad():
        tensor.copy_(values)


def _is_small(array: Any) -> bool:
    return int(array.nbytes) <= _LARGEST_ATTRIBUTE


@functools.cache
def _attributes_of_a_layer() -> frozenset[str]:
    """Returns the attributes that Keras itself gives to layers and models."""
    layer, model = keras.layers.Layer(name="wk_plain"), keras.Model(name="wk_plain")
    return frozenset({*vars(layer), *vars(model), "built", "compiled", "stop_training"})


@functools.cache
def _attributes_of_a_module() -> frozenset[str]:
    """Returns the attributes that PyTorch itself gives to modules."""
    return frozenset(vars(sys.modules["torch"].nn.Module()))
