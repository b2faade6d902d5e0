"""What a checkpoint holds as bytes and text: the training state, and the model's architecture.

The training state is an `.npz` archive of one JSON text and the arrays to which the text refers.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from wk_checkpoint.errors import UnserializableModelError
from wk_core.compat.keras.saving import serialized_config

__all__ = ["STATE_NAME", "decode", "encode", "serialize_model"]

STATE_NAME: Final = "wk_training_state.npz"
"""The name of the training state in a checkpoint: of a file, an archive entry or a dataset."""

_TEXT: Final = "state"
_ARRAY: Final = "__array__"


def encode(state: Mapping[str, Any]) -> bytes:
    """Returns a state as bytes; equal states give equal bytes.

    Args:
        state: Mappings with string keys, sequences, strings, numbers, booleans, None and NumPy
            arrays, in any depth.

    Raises:
        TypeError: If it holds a value of another type.
    """
    arrays: dict[str, np.ndarray] = {}

    def plain(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            name = f"array_{len(arrays)}"
            # NumPy's files know no bfloat16: they hold the bytes, and the text holds the dtype.
            arrays[name] = np.frombuffer(value.tobytes(), np.uint8)
            return {_ARRAY: name, "dtype": value.dtype.name, "shape": value.shape}
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, Mapping):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [plain(item) for item in value]
        return value

    text = json.dumps(plain(state), sort_keys=True)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in {_TEXT: np.array(text), **arrays}.items():
            # No date, so that an unchanged state gives an unchanged file.
            entry = zipfile.ZipInfo(f"{name}.npy")
            with archive.open(entry, "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, array, allow_pickle=False)
    return buffer.getvalue()


def decode(data: bytes) -> dict[str, Any]:
    """Returns the state that was passed to `encode`, with lists instead of tuples."""
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:

        def full(value: Any) -> Any:
            if isinstance(value, list):
                return [full(item) for item in value]
            if not isinstance(value, dict):
                return value
            if _ARRAY in value:
                stored = archive[value[_ARRAY]].view(np.dtype(value["dtype"]))
                return stored.reshape(value["shape"])
            return {key: full(item) for key, item in value.items()}

        state: dict[str, Any] = full(json.loads(str(archive[_TEXT])))
    return state


def serialize_model(model: Any) -> str:
    """Returns the JSON of a model's architecture and compilation.

    Raises:
        UnserializableModelError: If Keras cannot serialize it, and so cannot save the whole model.
    """
    try:
        return serialized_config(model)
    except (NotImplementedError, TypeError, ValueError) as error:
        raise UnserializableModelError(model.name, error) from error
