"""NumPy arrays from what Keras' backends, datasets and users hand over."""

from typing import Any

import numpy as np
import numpy.typing as npt


def as_array(value: Any) -> npt.NDArray[Any]:
    """Returns a tensor of any backend, a number or nested lists as a NumPy array.

    The array may share its memory with the value.
    """
    if isinstance(value, np.ndarray):
        return value
    if hasattr(value, "detach"):  # PyTorch
        value = value.detach().cpu()
        if str(value.dtype) == "torch.bfloat16":  # NumPy has none
            value = value.float()
        return np.asarray(value.numpy())
    if callable(getattr(value, "numpy", None)):  # TensorFlow
        return np.asarray(value.numpy())
    return np.asarray(value)


def is_tensor(value: Any) -> bool:
    """Tells whether a value is an array or a tensor: whether it has a shape and a type."""
    return hasattr(value, "shape") and hasattr(value, "dtype")
