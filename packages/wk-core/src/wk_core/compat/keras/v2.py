"""What the two flavours of Keras do differently, as Keras 2 does it; see `v3` for each name.

Keras 2 changes no more: what is private in it is there to stay.
"""

import contextlib
from collections.abc import Iterator
from typing import Any, Final, Literal

import numpy as np
import tensorflow as tf
import tf_keras as keras
from tf_keras.utils import Sequence as PyDataset

__all__ = [
    "EXTENDABLE_LISTS",
    "NOT_IN_FIT",
    "SAVED_MODEL_METHOD",
    "TRAINS_WITH_WORKERS",
    "PyDataset",
    "all_metrics",
    "backend",
    "batch_count",
    "build_metrics",
    "comparisons",
    "compiled_metrics",
    "dataset_arguments",
    "dtype_name",
    "engine",
    "flatten",
    "functional_part",
    "global_seed_generator",
    "has_compiled_loss",
    "has_value",
    "input_shape",
    "is_only_read",
    "keras",
    "layer_seed_variables",
    "load_hdf5_optimizer",
    "loss_scale",
    "loss_tracker",
    "map_structure",
    "metric_variables",
    "node_call",
    "non_trainable_variables",
    "on_host",
    "optimizer_parts",
    "own_direction",
    "place_of_tensor",
    "raw_variable",
    "seed_variables",
    "seedless_layers",
    "snapshot_value",
    "stand_in_for_global_seeds",
    "stateless_scope",
    "steps_per_execution",
    "to_numpy",
    "to_tensor",
    "trainable_variables",
    "training_loss",
    "training_outputs",
    "values_of",
    "weight_path",
    "without_distribution",
    "write_saved_model",
]

NOT_IN_FIT: Final[dict[str, Any]] = {"params": None, "model": None}

TRAINS_WITH_WORKERS: Final = True

EXTENDABLE_LISTS: Final = False

SAVED_MODEL_METHOD: Final[str | None] = "save"


def backend() -> str:
    """Returns the name of Keras' backend."""
    return "tensorflow"


def engine() -> str:
    """Returns the name of what differentiates a model."""
    return "keras2"


def comparisons() -> tuple[Any, Any]:
    """Returns the operators "less" and "greater" of Keras' own callbacks."""
    return np.less, np.greater


def flatten(structure: Any) -> list[Any]:
    """Returns the leaves of a nest of lists, tuples and dictionaries."""
    leaves: list[Any] = tf.nest.flatten(structure)
    return leaves


def map_structure(function: Any, *structures: Any) -> Any:
    """Applies a function to the leaves of nests of the same structure; returns the same nest."""
    return tf.nest.map_structure(function, *structures)


# The training step


def steps_per_execution(model: Any) -> int:
    """Returns how many batches the model trains on between two calls of the batch hooks."""
    return int(model._steps_per_execution.numpy())


def compiled_metrics(model: Any) -> Any:
    """Returns the metrics as `compile` got them; None where it got none."""
    container = model.compiled_metrics
    return None if container is None else container._user_metrics


def all_metrics(model: Any) -> list[Any]:
    """Returns a model's metrics."""
    return list(model.metrics)


def own_direction(metric: Any) -> Literal["min", "max"] | None:  # noqa: ARG001  Keras 3's say it
    """Returns None: metrics of Keras 2 do not say whether less or more of them is better."""
    return None


def loss_tracker(model: Any) -> Any:
    """Returns the mean of the batches' losses, weighted by their numbers of samples; or None."""
    return getattr(getattr(model, "compiled_loss", None), "_total_loss_mean", None)


def training_outputs(model: Any, inputs: Any) -> Any:
    """Calls the model with `training=True`, as its training step does, on a batch of inputs."""
    return model(inputs, training=True)


def training_loss(model: Any, x: Any, y: Any, y_pred: Any, sample_weight: Any) -> Any:
    """Returns the loss that training minimizes: the compiled loss plus losses added by layers."""
    return model.compute_loss(x, y, y_pred, sample_weight)


def has_compiled_loss(model: Any) -> bool:
    """Returns whether a model was compiled with a loss."""
    return model.compiled_loss is not None and model.compiled_loss._user_losses is not None


def loss_scale(optimizer: Any) -> float:
    """Returns the factor that mixed precision puts on the loss, so that no gradient vanishes."""
    wrapper = keras.mixed_precision.LossScaleOptimizer
    return float(optimizer.loss_scale) if isinstance(optimizer, wrapper) else 1.0


def build_metrics(model: Any, batch: Any) -> None:
    """Makes the variables of a compiled model's metrics, which else the first step does."""
    outputs = model(batch[0], training=False)
    if not model.compiled_loss.built:
        model.compiled_loss.build(outputs)
    if not model.compiled_metrics.built:
        model.compiled_metrics.build(outputs, map_structure(keras.backend.constant, batch[1]))


def optimizer_parts(optimizer: Any) -> list[Any]:  # noqa: ARG001  Keras 3 looks at it
    """Returns nothing: Keras 2 has no `MultiOptimizer`."""
    return []


# Variables


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


# Tensors and data


def to_numpy(value: Any) -> Any:
    """Returns a tensor as a NumPy array, and anything else as it is."""
    return value.numpy() if hasattr(value, "numpy") else value


def to_tensor(value: Any, dtype: str | None = None) -> Any:
    """Returns a tensor."""
    return tf.convert_to_tensor(value, dtype)


@contextlib.contextmanager
def on_host() -> Iterator[None]:
    """Leaves what is computed in the block where TensorFlow places it."""
    yield


def dataset_arguments(data: Any) -> dict[str, Any]:  # noqa: ARG001  arguments of `fit` here
    """Returns nothing: a `Sequence` is made without arguments of Keras'."""
    return {}


def batch_count(data: Any) -> int | None:
    """Returns the number of batches of a `Sequence`, which always has an end."""
    return len(data)


def dtype_name(tensor: Any) -> str:
    """Returns the data type of a symbolic tensor, as `"float32"`."""
    name: str = tensor.dtype.name
    return name


def input_shape(layer: Any) -> Any:
    """Returns the shape that an input layer was given, with the size of a batch; or None."""
    return getattr(layer, "_batch_input_shape", None)


# The graph


def functional_part(model: Any) -> Any:
    """Returns what knows how the layers of a model are connected; None where nothing does."""
    return model if getattr(model, "_is_graph_network", False) else None


def node_call(node: Any) -> tuple[Any, list[tuple[Any, int]]]:
    """Returns the layer that a node of the graph calls, and the places of its inputs."""
    return node.layer, [(layer, number) for layer, _, number, _ in node.iterate_inbound()]


def place_of_tensor(tensor: Any) -> tuple[Any, int]:
    """Returns the layer that a symbolic tensor comes from, and the number of its output."""
    layer, _, number = tensor._keras_history
    return layer, number


# Files


def load_hdf5_optimizer(optimizer: Any, file: Any) -> None:
    """Sets an optimizer's variables from the open `.h5` file of a whole model.

    Keras 2 cannot load those of a `LossScaleOptimizer`, which is left as it is.
    """
    if hasattr(optimizer, "inner_optimizer"):
        return
    from tf_keras.src.saving.legacy import hdf5_format

    stored = hdf5_format.load_optimizer_weights_from_hdf5_group(file)
    optimizer.set_weights([np.asarray(value) for value in stored])


def write_saved_model(model: Any, path: Any, options: Any) -> None:
    """Writes a model as a TensorFlow SavedModel."""
    model.save(path, save_format="tf", options=options)


# Random numbers and processes


def stateless_scope() -> Any:
    """Returns an empty scope: Keras 2 has no such scope."""
    return contextlib.nullcontext()


@contextlib.contextmanager
def without_distribution() -> Iterator[None]:
    """Does nothing: Keras 2 has no distribution."""
    yield


def global_seed_generator(*, create: bool = False) -> Any:  # noqa: ARG001  Keras 3 can make one
    """Returns None: Keras 2 has no such generator."""
    return None


@contextlib.contextmanager
def stand_in_for_global_seeds() -> Iterator[None]:
    """Does nothing: Keras 2 has no such generator."""
    yield
