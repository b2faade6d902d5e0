"""What saving a model needs of Keras beyond its public API."""

import contextlib
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Final

from wk_core.compat.entries import find, say_missing, stands_on
from wk_core.compat.keras.flavour import keras

__all__ = [
    "is_overridden",
    "prepare_saving",
    "serialized_config",
]

_SKIPPED: Final = "keras.src.saving.saving_lib.get_attr_skipset"
_GLOBAL_STATE: Final = "keras.src.backend.common.global_state"

# The kinds of objects of which Keras' writer learns what not to look into.
_SAVED_KINDS: Final = (
    "Operation",
    "Layer",
    "Functional",
    "Sequential",
    "Metric",
    "Optimizer",
    "Loss",
    "Cross",
    "Feature",
)


@stands_on(
    "keras.src.saving.serialization_lib.ObjectSharingScope",
    why="the public `serialize_keras_object` writes a layer that is used twice as two layers",
    versions="Keras 3.0 to 3.15",
    without="it is read from an archive that is written for it, while training waits",
)
def serialized_config(model: Any) -> str:
    """Returns the JSON of a model's architecture and compilation, as in a `.keras` archive."""
    scope = find("keras.src.saving.serialization_lib.ObjectSharingScope")
    if scope is None:
        say_missing(serialized_config)
        return json.dumps(_with_own_numbers(_tree_in_archive(model), {}))
    with scope():
        tree = keras.saving.serialize_keras_object(model)
    return json.dumps(_with_own_numbers(tree, {}))


def _tree_in_archive(model: Any) -> Any:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "model.keras"
        keras.saving.save_model(model, path)
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read("config.json"))


def _with_own_numbers(tree: Any, numbers: dict[int, int]) -> Any:
    """Numbers shared objects from 0: Keras uses their addresses, which differ between processes."""
    if isinstance(tree, dict):
        return {
            key: numbers.setdefault(value, len(numbers))
            if key == "shared_object_id"
            else _with_own_numbers(value, numbers)
            for key, value in tree.items()
        }
    if isinstance(tree, list | tuple):
        return [_with_own_numbers(value, numbers) for value in tree]
    return tree


@stands_on(
    _SKIPPED,
    f"{_GLOBAL_STATE}.set_global_attribute",
    why="for its walk through a model Keras learns which attributes not to look into from objects "
    "that it makes on the way, and keeps that under another name than it looks for (up to 3.15): "
    "it makes new objects for each object of each model",
    versions="Keras 3.6 to 3.15",
    without="a snapshot takes longer",
    report="not reported: for Keras, the key in `get_attr_skipset`",
)
def prepare_saving() -> None:
    """Teaches Keras once which attributes of its classes it need not look into."""
    skipped, state = find(_SKIPPED), find(_GLOBAL_STATE)
    if skipped is None or state is None:
        return
    for kind in _SAVED_KINDS:
        key = f"saving_attr_skiplist_{kind}"
        if state.get_global_attribute(key) is None:
            with contextlib.suppress(ValueError):  # a kind that this Keras does not save
                state.set_global_attribute(key, skipped(kind))


def is_overridden(model: Any, method: str) -> bool:
    """Returns whether the user's class, or the model itself, overrides a method of Keras'."""
    function = getattr(getattr(model, method), "__func__", None)
    return function is not getattr(keras.Model, method)
