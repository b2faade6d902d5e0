"""What the two flavours of Keras name differently: modules, tensors and data, on Keras 2."""

import contextlib
from collections.abc import Iterator
from typing import Any, Final

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
    "backend",
    "batch_count",
    "comparisons",
    "dataset_arguments",
    "dtype_name",
    "engine",
    "flatten",
    "input_shape",
    "keras",
    "map_structure",
    "on_host",
    "to_numpy",
    "to_tensor",
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
