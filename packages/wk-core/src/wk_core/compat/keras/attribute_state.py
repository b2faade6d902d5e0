"""What layers and PyTorch modules keep in attributes: numbers, arrays, buffers and modes."""

import functools
import sys
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import numpy as np

from wk_core.compat.keras.flavour import keras

__all__ = ["PutBack", "is_of_a_library", "keep_attributes", "keep_modules"]

PutBack: TypeAlias = Callable[[], object]
"""Puts back what has been kept."""

# The largest array, in bytes, that is copied from an attribute.
_LARGEST_ATTRIBUTE: Final = 2**20
_NUMBERS: Final = (bool, int, float, complex, str)


def is_of_a_library(owner: Any) -> bool:
    """Returns whether an object's class is Keras' or PyTorch's own, which is known to keep no more.

    A model that is a plain `Sequential` is of such a class, too.
    """
    return type(owner).__module__.partition(".")[0] in ("keras", "tf_keras", "torch")


def keep_attributes(layer: Any) -> list[PutBack]:
    """Copies what a layer of the user's keeps in attributes; returns what puts it back."""
    return [] if is_of_a_library(layer) else _keep_attributes(layer, _attributes_of_a_layer())


def keep_modules(layers: list[Any]) -> list[PutBack]:
    """Keeps the buffers and the modes of PyTorch modules, wherever layers have them."""
    kept: list[PutBack] = []
    seen: set[int] = set()
    for layer in layers:
        for module in layer.modules():
            if id(module) in seen:
                continue
            seen.add(id(module))
            kept.append(_keep_module(module))
            if not (isinstance(module, keras.layers.Layer) or is_of_a_library(module)):
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
