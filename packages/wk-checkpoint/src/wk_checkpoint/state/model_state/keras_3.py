"""The state of a Keras 3 model: which optimizers are built, and what its layers learned from data.

Keras' loaders expect a model that has all its variables. Which optimizers have built theirs, and
for which weights, changes during a training. So a checkpoint records it, and names variables by
their paths in Keras' file, which are the same for every instance of a model.
"""

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from wk_checkpoint.snapshot.snapshot import Snapshot
from wk_core.compat.keras.saved_objects import (
    SavedObject,
    SavedObjects,
    own_variables,
    saved_values,
    trained_variables,
)
from wk_core.compat.keras.saving import prepare_saving
from wk_core.description import few

__all__ = ["prepare", "record", "restore_extras"]

# Attributes of preprocessing layers that hold arguments of their constructor.
_GIVEN: Final = ("input_vocabulary", "input_mean", "input_variance")


def record(
    model: Any,  # noqa: ARG001  Keras 2 needs it
    objects: Sequence[SavedObject],
    snapshot: Snapshot | None,
) -> dict[str, Any]:
    """Returns keys, optimizers, given facts and learned bins of a model.

    Args:
        model: The model.
        objects: Its saved objects.
        snapshot: Its snapshot; None if the model saves itself.
    """
    places = dict(_places(objects))
    groups = [] if snapshot is None else snapshot.groups
    return {
        "keys": {group.path: list(group.values) for group in groups if group.values},
        "optimizers": {
            one.path: {
                "name": type(one.holder).__name__,
                "is_built": bool(one.holder.built),
                "trains": [places.get(id(each)) for each in trained_variables(one.holder)],
            }
            for one in objects
            if one.is_optimizer
        },
        "given": {one.path: digest for one, digest in _given(objects)},
        "bins": {one.path: list(one.holder.bin_boundaries) for one in _binned(objects)},
    }


def prepare(model: Any, state: Mapping[str, Any], source: str) -> None:
    """Builds the optimizers that were built at the checkpoint, and compares the models.

    Args:
        model: The built model.
        state: The value that `record` returned.
        source: The name of the checkpoint, for errors.

    Raises:
        ValueError: If the model is not like the one that was saved.
    """
    prepare_saving()
    _build_optimizers(model, state, source)
    _check_likeness(model, state, source)


def _build_optimizers(model: Any, state: Mapping[str, Any], source: str) -> None:
    objects = SavedObjects().of(model)
    variables = {tuple(place): variable for place, variable in _variables(objects)}
    for one in objects:
        facts = state["optimizers"].get(one.path)
        if not one.is_optimizer or facts is None:
            continue
        optimizer = one.holder
        if facts["is_built"] and not optimizer.built:
            places = [None if place is None else tuple(place) for place in facts["trains"]]
            known = [variables[place] for place in places if place in variables]
            complete = bool(known) and len(known) == len(places)
            optimizer.build(known if complete else model.trainable_variables)
        elif optimizer.built and not facts["is_built"]:
            raise ValueError(
                f"{source} was taken before optimizer {one.path!r} was first applied, but the one "
                f"of {model.name!r} has a state already: compile the model anew, and restore then."
            )


def _check_likeness(model: Any, state: Mapping[str, Any], source: str) -> None:
    """Raises ValueError if only one of checkpoint and model has a variable."""
    saved = {f"{path}/{key}" for path, keys in state["keys"].items() for key in keys}
    if not saved:
        return  # The model saved itself, or TensorFlow's writer wrote the checkpoint.
    there = {
        f"{one.path}/{key}" for one in SavedObjects().of(model) for key in saved_values(one.holder)
    }
    differences = [
        f"{what}: {few(sorted(places))}"
        for what, places in (
            ("only the checkpoint has", saved - there),
            ("only the model has", there - saved),
        )
        if places
    ]
    if differences:
        raise ValueError(
            f"{source} was saved from a model that is not like {model.name!r}, or was compiled "
            f"with another optimizer. {'; '.join(differences)}."
        )


def restore_extras(model: Any, state: Mapping[str, Any], source: str) -> None:
    """Restores assets, learned bins, and variables that are in no file of Keras.

    Args:
        model: The model, with all else restored.
        state: The training state; its entry `model` is the value that `record` returned.
        source: The name of the checkpoint, for errors.

    Raises:
        ValueError: If the model was given another vocabulary, statistics or bins than the saved
            one.
    """
    objects = SavedObjects().of(model)
    for one in objects:
        if hasattr(one.holder, "load_assets"):
            _load_assets(one, state.get("assets", {}))
        variables = one.holder.variables if one.is_optimizer else own_variables(one.holder)
        for number, value in state.get("variables", {}).get(one.path, {}).items():
            variables[int(number)].assign(value)
    for one in _binned(objects):
        one.holder.bin_boundaries = state["model"]["bins"].get(one.path, one.holder.bin_boundaries)
    for one, digest in _given(objects):
        if state["model"]["given"].get(one.path, digest) != digest:
            raise ValueError(
                f"{source}: layer {one.holder.name!r} of {model.name!r} was made with another "
                "vocabulary, other statistics or other bins than that of the saved model, so its "
                "output would differ. Make it with the same arguments."
            )


def _variables(objects: Sequence[SavedObject]) -> Iterator[tuple[list[Any], Any]]:
    """Yields each variable of a layer with its place: path of the layer, and number."""
    for one in objects:
        for number, variable in enumerate(own_variables(one.holder)):
            yield [one.path, number], variable


def _places(objects: Sequence[SavedObject]) -> Iterator[tuple[int, list[Any]]]:
    for place, variable in _variables(objects):
        yield id(variable), place


def _given(objects: Sequence[SavedObject]) -> Iterator[tuple[SavedObject, str]]:
    """Yields each layer whose constructor was given facts about the data, with their digest.

    Keras saves these facts with the architecture only. Facts that a layer learned from data are
    saved otherwise: a vocabulary as an asset, statistics as variables.
    """
    for one in objects:
        given = [getattr(one.holder, name, None) for name in _GIVEN]
        if getattr(one.holder, "num_bins", 0) is None:
            given.append(one.holder.bin_boundaries)
        if any(value is not None for value in given):
            text = json.dumps([str(np.asarray(each).tolist()) for each in given])
            yield one, hashlib.sha256(text.encode()).hexdigest()


def _binned(objects: Sequence[SavedObject]) -> list[SavedObject]:
    """Returns the layers that have learned bins from data; they keep them in a list."""
    return [
        one
        for one in objects
        if getattr(one.holder, "num_bins", None) is not None
        and getattr(one.holder, "bin_boundaries", None) is not None
    ]


def _load_assets(one: SavedObject, assets: Mapping[str, np.ndarray]) -> None:
    prefix = f"{one.path}/" if one.path else ""
    files = {name: content for name, content in assets.items() if name.startswith(prefix)}
    if not files:
        return
    with tempfile.TemporaryDirectory() as directory:
        for name, content in files.items():
            file = Path(directory, name.removeprefix(prefix))
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.tobytes())
        one.holder.load_assets(directory)
