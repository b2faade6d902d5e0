"""The variables of models, layers and optimizers, on Keras 2."""

from collections.abc import Iterator
from typing import Any

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
    return [variable for metric in model.metrics for variable in metric.variables]


def seed_variables(model: Any) -> list[Any]:
    """Returns the variables behind a model's random numbers, which Keras does not save."""
    return [generator.state for _, generator in _drawing_layers(model) if generator is not None]


def seedless_layers(model: Any) -> list[str]:
    """Returns the names of the layers whose random numbers cannot be put back.

    They draw from TensorFlow's operations, which keep where they stand to themselves, unless
    `tf.keras.backend.experimental.enable_tf_random_generator` was called before.
    """
    return [layer.name for layer, generator in _drawing_layers(model) if generator is None]


def _drawing_layers(model: Any) -> Iterator[tuple[Any, Any]]:
    """Yields the layers that draw random numbers, and their generators, made in the first call."""
    for layer in model._flatten_layers():
        drawing = getattr(layer, "_random_generator", None)
        if drawing is not None and getattr(layer, "rate", 1) != 0:
            drawing._maybe_init()
            yield layer, drawing._generator


def trainable_variables(layer: Any) -> list[Any]:
    """Returns the trainable variables that belong to a layer itself, not to those in it."""
    return list(layer._trainable_weights)


def non_trainable_variables(layer: Any) -> list[Any]:
    """Returns the other variables that belong to a layer itself, not to those in it."""
    return list(layer._non_trainable_weights)


def layer_seed_variables(layer: Any) -> list[Any]:  # noqa: ARG001  see `seed_variables`
    """Returns nothing: `seed_variables` has them all."""
    return []


def has_value(variable: Any) -> bool:  # noqa: ARG001  Keras 3 looks at it
    """Returns True: Keras 2 initializes variables when it makes them."""
    return True


def is_only_read(layer: Any) -> bool:  # noqa: ARG001  Keras 3 looks at it
    """Returns False: nothing of that kind is known of layers of Keras 2."""
    return False


def raw_variable(variable: Any) -> Any:
    """Returns TensorFlow's own variable."""
    return variable


def snapshot_value(variable: Any) -> Any:
    """Returns a variable's value, unchanged by later assignments."""
    return variable.read_value()


def values_of(variables: Any) -> list[Any]:
    """Returns copies of variables' values as NumPy arrays."""
    return [variable.numpy() for variable in variables]


def weight_path(weight: Any) -> str:
    """Returns the name of a weight with the names of the layers that it is in."""
    path: str = weight.name.partition(":")[0]
    return path
