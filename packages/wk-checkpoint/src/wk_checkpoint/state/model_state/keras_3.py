"""What a checkpoint has to know of a model so that the same one can be had back, on Keras 3.

Keras' loaders want a model that has all variables already. Which optimizers have made theirs, and
for which weights, differs from moment to moment; so a checkpoint says it, in terms of places in
Keras' file: the same for every instance of a model.
"""

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from wk_checkpoint.snapshot.snapshot import Snapshot
from wk_core.keras_saving import prepare_saving
from wk_core.saved_objects import (
    SavedObject,
    SavedObjects,
    own_variables,
    saved_values,
    trained_variables,
)

__all__ = ["prepare", "put_back_beside", "record"]

# What preprocessing layers call what they were given.
_GIVEN: Final = ("input_vocabulary", "input_mean", "input_variance")


def record(objects: Sequence[SavedObject], snapshot: Snapshot | None) -> dict[str, Any]:
    """Returns what has to be known of a model beside what a format holds of it.

    Args:
        objects: Its saved objects.
        snapshot: What is saved of it; None where it writes itself.
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
    """Has a model make the variables that it had when the checkpoint was taken.

    Args:
        model: The built model.
        state: What `record` returned.
        source: Where it comes from, for errors.

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
    """Raises ValueError if a checkpoint holds what a model has no place for, or lacks something."""
    saved = {f"{path}/{key}" for path, keys in state["keys"].items() for key in keys}
    if not saved:
        return  # The model, or another writer than Keras' usual one, has written it.
    there = {
        f"{one.path}/{key}" for one in SavedObjects().of(model) for key in saved_values(one.holder)
    }
    differences = [
        f"{what}: {_few(places)}"
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


def put_back_beside(model: Any, state: Mapping[str, Any], source: str) -> None:
    """Puts back what Keras' loaders do not: assets, and variables that no file of Keras holds.

    Args:
        model: The model, with everything else put back.
        state: The training state, which has what `record` returned as `model`.
        source: Where it comes from, for errors.

    Raises:
        ValueError: If a vocabulary is another one than that of the saved model.
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
                "vocabulary, other statistics or other bins than that of the saved model, so it "
                "would put out other numbers. Make it with the same ones."
            )


def _variables(objects: Sequence[SavedObject]) -> Iterator[tuple[list[Any], Any]]:
    """Yields the variables of layers with their places: path and number."""
    for one in objects:
        for number, variable in enumerate(own_variables(one.holder)):
            yield [one.path, number], variable


def _places(objects: Sequence[SavedObject]) -> Iterator[tuple[int, list[Any]]]:
    for place, variable in _variables(objects):
        yield id(variable), place


def _given(objects: Sequence[SavedObject]) -> Iterator[tuple[SavedObject, str]]:
    """Yields the layers that were given facts about the data when they were made, with a digest.

    Keras saves these with the architecture only; a vocabulary that was learned from data is an
    asset, and learned statistics are variables.
    """
    for one in objects:
        given = [getattr(one.holder, name, None) for name in _GIVEN]
        if getattr(one.holder, "num_bins", 0) is None:
            given.append(one.holder.bin_boundaries)
        if any(value is not None for value in given):
            text = json.dumps([str(np.asarray(each).tolist()) for each in given])
            yield one, hashlib.sha256(text.encode()).hexdigest()


def _binned(objects: Sequence[SavedObject]) -> list[SavedObject]:
    """Returns the layers that have learned bins from data: no variables, but a list."""
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


def _few(places: set[str]) -> str:
    first = ", ".join(sorted(places)[:5])
    return f"{first} and {len(places) - 5} more" if len(places) > 5 else first
