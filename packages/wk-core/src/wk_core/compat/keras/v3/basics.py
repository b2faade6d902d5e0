"""What the two flavours of Keras name differently: modules, tensors and data, on Keras 3."""

import contextlib
from collections.abc import Iterator
from typing import Any, Final

import keras
from keras.utils import PyDataset

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

NOT_IN_FIT: Final[dict[str, Any]] = {"params": None, "_model": None}
"""The attributes that Keras gives a callback for one `fit`, as they are before it."""

TRAINS_WITH_WORKERS: Final = False
"""Whether a model trains under `tf.distribute.MultiWorkerMirroredStrategy`."""

EXTENDABLE_LISTS: Final = True
"""Whether a task can be added to a list of callbacks, to run after all of them."""

SAVED_MODEL_METHOD: Final[str | None] = None
"""The model's own method that writes a SavedModel; None where it is exported from outside."""


def backend() -> str:
    """Returns the name of Keras' backend: `"tensorflow"`, `"jax"` or `"torch"`, for example."""
    name: str = keras.backend.backend()
    return name


def engine() -> str:
    """Returns the name of what differentiates a model: that of Keras' backend."""
    return backend()


def comparisons() -> tuple[Any, Any]:
    """Returns the operators "less" and "greater" of Keras' own callbacks."""
    return keras.ops.less, keras.ops.greater


def flatten(structure: Any) -> list[Any]:
    """Returns the leaves of a nest of lists, tuples and dictionaries."""
    leaves: list[Any] = keras.tree.flatten(structure)
    return leaves


def map_structure(function: Any, *structures: Any) -> Any:
    """Applies a function to the leaves of nests of the same structure; returns the same nest."""
    return keras.tree.map_structure(function, *structures)


def to_numpy(value: Any) -> Any:
    """Returns a backend's tensor as a NumPy array, and anything else as it is."""
    if keras.ops.is_tensor(value):
        return keras.ops.convert_to_numpy(value)
    return value.numpy() if hasattr(value, "numpy") else value


def to_tensor(value: Any, dtype: str | None = None) -> Any:
    """Returns a tensor of the backend."""
    return keras.ops.convert_to_tensor(value, dtype=dtype)


@contextlib.contextmanager
def on_host() -> Iterator[None]:
    """Places what is computed in the block on the CPU: no wait for a busy accelerator."""
    with keras.device("cpu:0"):
        yield


def dataset_arguments(data: Any) -> dict[str, Any]:
    """Returns the arguments with which a `PyDataset` was made, for one that wraps it."""
    names = ("workers", "use_multiprocessing", "max_queue_size")
    return {name: getattr(data, name) for name in names}


def batch_count(data: Any) -> int | None:
    """Returns the number of batches of a `PyDataset`; None where it has no end."""
    count: int | None = data.num_batches
    return count


def dtype_name(tensor: Any) -> str:
    """Returns the data type of a symbolic tensor, as `"float32"`."""
    return str(tensor.dtype)


def input_shape(layer: Any) -> Any:
    """Returns the shape that an input layer was given, with the size of a batch; or None."""
    return getattr(layer, "batch_shape", None)
