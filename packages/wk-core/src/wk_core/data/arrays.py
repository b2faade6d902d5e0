"""NumPy arrays from the tensors of Keras' backends and from other data."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

# Types of `ml_dtypes`, which are meaningless bytes to NumPy.
_FOREIGN_FLOATS: Final = ("bfloat16", "float")
_FOREIGN_INTEGERS: Final = ("int", "uint")


def as_array(value: Any) -> npt.NDArray[Any]:
    """Returns a tensor of any backend, a number or nested lists as a NumPy array.

    Types that NumPy does not have become float32, as bfloat16, or int8, as int4. The array may
    share its memory with the value.
    """
    if isinstance(value, np.ndarray):
        return _of_a_known_type(value)
    if hasattr(value, "detach"):  # PyTorch
        value = value.detach().cpu()
        if str(value.dtype).startswith(("torch.bfloat16", "torch.float8")):  # NumPy has none
            value = value.float()
        return np.asarray(value.resolve_conj().resolve_neg().numpy())
    if callable(getattr(value, "numpy", None)):  # TensorFlow
        return _of_a_known_type(np.asarray(value.numpy()))
    return _of_a_known_type(np.asarray(value))


def is_tensor(value: Any) -> bool:
    """Returns whether a value is an array, a tensor or a table: whether it has shape and type."""
    return hasattr(value, "shape") and (hasattr(value, "dtype") or hasattr(value, "dtypes"))


def describe(arrays: Any) -> str:
    """Returns the shapes and types of arrays, for an error message."""
    if isinstance(arrays, Mapping):
        return "{" + ", ".join(f"{name!r}: {describe(each)}" for name, each in arrays.items()) + "}"
    if isinstance(arrays, tuple):
        return "(" + ", ".join(describe(each) for each in arrays) + ")"
    if not is_tensor(arrays):
        return f"{arrays!r:.200}"
    kind = getattr(arrays, "dtype", None) or type(arrays).__name__
    return f"shape {tuple(arrays.shape)} of {kind}"


def _of_a_known_type(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if array.dtype.kind != "V":
        return array
    if array.dtype.name.startswith(_FOREIGN_FLOATS):
        return array.astype(np.float32)
    return array.astype(np.int8) if array.dtype.name.startswith(_FOREIGN_INTEGERS) else array
