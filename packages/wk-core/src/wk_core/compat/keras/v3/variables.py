"""The variables of models, layers and optimizers, on Keras 3."""

from typing import Any

import keras
import numpy as np

from wk_core.compat.entries import say_missing, stands_on
from wk_core.compat.keras.v3.basics import backend

__all__ = [
    "has_value",
    "is_only_read",
    "layer_seed_variables",
    "metric_variables",
    "non_trainable_variables",
    "raw_variable",
    "seed_variables",
    "seedless_layers",
    "snapshot_value",
    "trainable_variables",
    "values_of",
    "weight_path",
]


def metric_variables(model: Any) -> list[Any]:
    """Returns the variables in which a model's metrics keep what they have seen of an epoch."""
    variables: list[Any] = model.metrics_variables
    return variables


def seed_variables(model: Any) -> list[Any]:
    """Returns the variables behind a model's random numbers, which Keras does not save."""
    others = {id(variable) for variable in [*model.weights, *model.metrics_variables]}
    return [variable for variable in model.variables if id(variable) not in others]


def seedless_layers(model: Any) -> list[str]:  # noqa: ARG001  Keras 2 looks at it
    """Returns the names of the layers whose random numbers cannot be put back."""
    return []


@stands_on(
    "layer._trainable_variables",
    why="the public `trainable_variables` are those of the layers in it, too, and none while a "
    "layer is frozen",
    versions="Keras 3.0 to 3.15",
    without="those of the layers in it are looked at once more",
)
def trainable_variables(layer: Any) -> list[Any]:
    """Returns the trainable variables that belong to a layer itself, not to those in it."""
    return list(getattr(layer, "_trainable_variables", layer.trainable_variables))


@stands_on(
    "layer._non_trainable_variables",
    why="the public `non_trainable_variables` are those of the layers in it, too",
    versions="Keras 3.0 to 3.15",
    without="those of the layers in it are looked at once more",
)
def non_trainable_variables(layer: Any) -> list[Any]:
    """Returns the other variables that belong to a layer itself, not to those in it."""
    return list(getattr(layer, "_non_trainable_variables", layer.non_trainable_variables))


@stands_on(
    "layer._seed_generators",
    why="the generators of a layer have no public name",
    versions="Keras 3.0 to 3.15",
    without="looking at a model may draw from the random numbers of its training",
)
def layer_seed_variables(layer: Any) -> list[Any]:
    """Returns the states of the generators that belong to a layer itself."""
    if not hasattr(layer, "_seed_generators"):
        say_missing(layer_seed_variables)
        return []
    return [generator.state for generator in layer._seed_generators]


@stands_on(
    "variable._value",
    why="a variable does not say publicly whether it was initialized: reading it does that",
    versions="Keras 3.0 to 3.15",
    without="a variable that is not initialized yet is initialized when a model is looked at",
)
def has_value(variable: Any) -> bool:
    """Returns whether a variable has been initialized; in a layer that is not built it may not."""
    return getattr(variable, "_value", variable) is not None


def is_only_read(layer: Any) -> bool:
    """Returns whether none of a layer's variables are written by its calls, however many."""
    quantized = getattr(layer, "quantization_mode", None)
    is_quantized = quantized is not None and quantized != "float8"  # which counts while it trains
    return is_quantized or isinstance(layer, keras.layers.TorchModuleWrapper)


def raw_variable(variable: Any) -> Any:
    """Returns TensorFlow's own variable within one of Keras'."""
    return variable.value


def snapshot_value(variable: Any) -> Any:
    """Returns a variable's value on TensorFlow or PyTorch, unchanged by later assignments."""
    value = variable.value
    return value.read_value() if backend() == "tensorflow" else value.detach().clone()


def values_of(variables: Any) -> list[Any]:
    """Returns copies of variables' values as NumPy arrays."""
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def weight_path(weight: Any) -> str:
    """Returns the name of a weight with the names of the layers that it is in."""
    path: str = weight.path
    return path
