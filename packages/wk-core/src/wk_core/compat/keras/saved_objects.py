"""The objects of a model whose state Keras saves, and their places in its files of weights.

Keras finds them by going through the attributes of the model, of what it finds there, and so on.
What a file holds is therefore known when this walk has been made, before anything is written; and
which objects there were at a moment stays known, whatever happens to the model afterwards. This is
for Keras 3.
"""

import contextlib
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

from wk_core.compat.entries import find, say_missing, stands_on
from wk_core.compat.keras.flavour import (
    LEGACY,
    keras,
    non_trainable_variables,
    trainable_variables,
)

__all__ = [
    "SavedGroup",
    "SavedObject",
    "SavedObjects",
    "new_saved_objects",
    "own_variables",
    "saved_values",
    "trained_variables",
    "write_hdf5_weights",
]

_LIBRARY: Final = "keras.src.saving.saving_lib"
_SAVEABLE: Final = "keras.src.saving.keras_saveable.KerasSaveable"
_SNAKE_CASE: Final = "keras.src.utils.naming.to_snake_case"
_SAVE: Final = f"{_LIBRARY}._save_state"
_PARTS: Final = (
    f"{_LIBRARY}._walk_saveable",
    f"{_LIBRARY}.get_attr_skipset",
    f"{_LIBRARY}.H5IOStore",
    _SAVEABLE,
    _SNAKE_CASE,
)


@dataclass(frozen=True)
class SavedObject:
    """A layer, an optimizer or anything else whose state Keras saves with a model.

    Attributes:
        path: Its group in a file: the attributes that lead to it, as `"layers/dense"`; `""` for the
            model itself.
        holder: The object.
    """

    path: str
    holder: Any

    @property
    def is_optimizer(self) -> bool:
        """Whether it is an optimizer."""
        return isinstance(self.holder, keras.optimizers.Optimizer)


@dataclass(frozen=True)
class SavedGroup:
    """What a file holds of one object.

    Attributes:
        path: The group's name, as in `SavedObject`.
        name: The object's own name; None if it has none.
        values: Arrays, tensors or variables by key.
    """

    path: str
    name: str | None
    values: Mapping[str, Any]


@stands_on(
    *_PARTS,
    _SAVE,
    why="Keras does not say publicly which objects a file of weights holds, nor under which names",
    versions="Keras 3.6 to 3.15",
    without="checkpoints are saved in Keras' own way, while training waits",
    report="not reported: for Keras, a public walk through what a model saves",
)
def new_saved_objects() -> "SavedObjects | None":
    """Returns what finds the saved objects of a model; None on Keras 2, and where parts are gone.

    Then a model is saved in Keras' own way.
    """
    if LEGACY:
        return None
    if any(find(part) is None for part in _PARTS):
        say_missing(new_saved_objects)
        return None
    return SavedObjects()


class SavedObjects:
    """Finds the saved objects of a model, again only where the model has changed since."""

    def __init__(self) -> None:
        self._found: list[SavedObject] = []
        self._children: list[tuple[int, ...]] = []

    def of(self, model: Any) -> list[SavedObject]:
        """Returns the objects in the order in which Keras saves them, the model first."""
        if not self._found or self._found[0].holder is not model or self._has_changed():
            self._found = list(_walk(model))
            self._children = [_children(one.holder) for one in self._found]
        return self._found

    def _has_changed(self) -> bool:
        return any(
            _children(one.holder) != children
            for one, children in zip(self._found, self._children, strict=True)
        )


def saved_values(holder: Any) -> dict[str, Any]:
    """Returns what an object saves, by key: its variables as such, anything else as it is now.

    An optimizer and a PyTorch module would copy all of theirs to the host for Keras' writer.
    """
    method = getattr(holder, "save_own_variables", None)
    if method is None:
        return {}
    function = getattr(method, "__func__", None)
    if function is keras.optimizers.Optimizer.save_own_variables:
        return {str(index): variable for index, variable in enumerate(holder.variables)}
    if function is keras.layers.TorchModuleWrapper.save_own_variables:
        return dict(holder.module.state_dict())
    store: dict[str, Any] = {}
    method(store)
    return store


def own_variables(holder: Any) -> list[Any]:
    """Returns the variables of a layer, without those of layers in it; of others none."""
    if not isinstance(holder, keras.Layer):
        return []
    return [*trainable_variables(holder), *non_trainable_variables(holder)]


@stands_on(
    "optimizer._trainable_variables",
    why="an optimizer does not say publicly for which variables it was built",
    versions="Keras 3.0 to 3.15",
    without="`restore` builds an optimizer for all trainable variables of its model",
)
def trained_variables(optimizer: Any) -> list[Any]:
    """Returns the variables that an optimizer was built for, in its order."""
    variables = list(getattr(optimizer, "_trainable_variables", ()))
    if not variables and hasattr(optimizer, "inner_optimizer"):
        return trained_variables(optimizer.inner_optimizer)
    if not variables and hasattr(optimizer, "optimizers"):  # a `MultiOptimizer`
        numbers = optimizer._trainable_variables_indices
        variables = [each for part in optimizer.optimizers for each in trained_variables(part)]
        variables.sort(key=lambda variable: numbers[optimizer._var_key(variable)])
    return variables


def write_hdf5_weights(groups: Iterable[SavedGroup], file: io.BytesIO | Path) -> None:
    """Writes the file that `model.save_weights` writes."""
    with contextlib.closing(find(f"{_LIBRARY}.H5IOStore")(file, mode="w")) as store:
        for group in groups:
            entry = store.make(
                group.path, metadata=None if group.name is None else {"name": group.name}
            )
            for key, value in group.values.items():
                entry[key] = value


def _walk(model: Any) -> Iterator[SavedObject]:
    """Goes through a model as Keras does when it saves one."""
    library, snake_case, containers = find(_LIBRARY), find(_SNAKE_CASE), _containers()
    # Older versions of Keras do not look into containers within containers.
    takes_nested = hasattr(library, "_container_path_present")
    seen: set[int] = set()

    def visit(holder: Any, path: str) -> Iterator[SavedObject]:
        if id(holder) in seen:
            return
        seen.add(id(holder))
        yield SavedObject(path, holder)
        for name, child in library._walk_saveable(holder):
            inner_path = f"{path}/{name}" if path else name
            if isinstance(child, _saveable()):
                yield from visit(child, inner_path)
            elif isinstance(child, containers):
                yield from visit_items(child, inner_path, set())

    def visit_items(container: Any, path: str, within: set[int]) -> Iterator[SavedObject]:
        if id(container) in within:
            return
        within.add(id(container))
        counts: dict[str, int] = {}
        for item in container.values() if isinstance(container, dict) else container:
            if isinstance(item, _saveable()):
                name = snake_case(type(item).__name__)
                yield from visit(item, f"{path}/{_numbered(name, counts)}")
            elif takes_nested and isinstance(item, containers):
                yield from visit_items(item, f"{path}/{_numbered('container', counts)}", within)

    return visit(model, "")


@cache
def _containers() -> Any:
    """Returns the containers that Keras looks into; older versions also look into sets."""
    save = find(_SAVE)
    looks_into_sets = save is not None and "set" in save.__code__.co_names
    return (list, dict, tuple, set) if looks_into_sets else (list, dict, tuple)


@cache
def _saveable() -> Any:
    return find(_SAVEABLE)


def _numbered(name: str, counts: dict[str, int]) -> str:
    """Returns `dense`, `dense_1`, `dense_2` … for one `dense` after the other."""
    number = counts.get(name, 0)
    counts[name] = number + 1
    return f"{name}_{number}" if number else name


def _children(holder: Any) -> tuple[int, ...]:
    """Returns who the objects are that the walk finds in an object's own attributes."""
    skipped = find(f"{_LIBRARY}.get_attr_skipset")(holder._obj_type())
    found: list[int] = []
    for name, value in vars(holder).items():
        if name not in skipped:
            _collect(value, found, set())
    kind: Any = type(holder)  # which mypy does not take for hashable
    for name in _own_properties(kind):
        with contextlib.suppress(Exception):  # as Keras does: a property need not have a value
            _collect(getattr(holder, name), found, set())
    return tuple(found)


def _collect(value: Any, found: list[int], within: set[int]) -> None:
    if isinstance(value, _saveable()):
        found.append(id(value))
    elif isinstance(value, _containers()) and id(value) not in within:
        within.add(id(value))
        for item in value.values() if isinstance(value, dict) else value:
            _collect(item, found, within)


@lru_cache(maxsize=1024)
def _own_properties(kind: Any) -> tuple[str, ...]:
    """Returns the properties of the user's own classes: theirs may lead to objects elsewhere."""
    return tuple(
        name
        for owner in kind.__mro__
        if not owner.__module__.startswith("keras.")
        for name, value in vars(owner).items()
        if isinstance(value, property) and not name.startswith("__")
    )
