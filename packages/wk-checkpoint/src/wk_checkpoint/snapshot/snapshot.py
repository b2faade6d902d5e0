"""What a model holds at one moment, whatever training changes afterwards.

The training thread walks through the model as Keras' writer does, calls the objects' own
`save_own_variables`, and keeps the value of each variable. On TensorFlow that costs next to
nothing: a value shares the variable's memory until the next step writes to it. Elsewhere it is a
copy on the device. Another thread does the slow part: it copies the values to the host and writes
them to a file.
"""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wk_core.compat.keras.flavour import backend, keras, weight_path
from wk_core.compat.keras.saved_objects import SavedGroup, SavedObject, own_variables, saved_values
from wk_core.compat.keras.sharding import gather
from wk_core.compat.keras.training import snapshot_value

__all__ = ["Snapshot"]


class Snapshot:
    """What a checkpoint saves of a model, as it is now.

    The training state must be in the variables (`sync_state`). If the processes of a training
    share the model's variables, all of them must take the same snapshot.

    Args:
        objects: The objects whose state is saved, as `SavedObjects` finds them.
        live: Whether to refer to the variables instead of copying their values. Training must then
            wait until the snapshot is written.

    Attributes:
        config: The JSON of the model's architecture and compilation, for formats that hold it.
        groups: The content of Keras' weights file, for formats that have one.
        assets: The files that objects save beside their variables, such as vocabularies, by path
            in Keras' archive.
        variables: The values for a replica of the model, for formats that write one.
    """

    def __init__(self, objects: Sequence[SavedObject] = (), *, live: bool = False) -> None:
        self.objects = objects
        self.live = live
        self.config: str | None = None
        self.groups: list[SavedGroup] = []
        self.assets: dict[str, bytes] = {}
        self.variables: list[Any] = []
        self._values: dict[int, tuple[Any, Any]] = {}
        self._extra: dict[str, list[Any]] = {}
        self._named: dict[int, tuple[str, Any]] = {}

    @property
    def named_values(self) -> Iterator[tuple[str, Any]]:
        """The values of variables, and values that objects compute for the file, with names."""
        yield from self._named.values()

    def value_of(self, variable: Any) -> Any:
        """Returns the value of a variable; the first call must come from the training thread."""
        if id(variable) not in self._values:
            value = variable if self.live else snapshot_value(variable)
            self._values[id(variable)] = (variable, value)
            self._named[id(value)] = (weight_path(variable), value)
        return self._values[id(variable)][1]

    def add_weights(self) -> None:
        """Adds the content of Keras' weights file, in its order and under its names.

        Some objects save computed values: a layer with LoRA saves its merged kernel. Their
        variables are added as well, since training needs them to go on.
        """
        for one in self.objects:
            if not hasattr(one.holder, "save_own_variables"):
                continue
            values = saved_values(one.holder)
            name = getattr(one.holder, "name", None)
            copies = {key: self._copy(value, f"{one.path}/{key}") for key, value in values.items()}
            self.groups.append(
                SavedGroup(one.path, name if isinstance(name, str) else None, copies)
            )
            if not all(_is_variable(value) for value in values.values()):
                self.add_extra_variables(one)

    def add_extra_variables(self, one: SavedObject) -> None:
        """Adds an object's variables, which the format itself does not hold as they are."""
        if isinstance(one.holder, keras.layers.TorchModuleWrapper):
            return  # It saves its gather module.
        variables = one.holder.variables if one.is_optimizer else own_variables(one.holder)
        self._extra[one.path] = [self.value_of(variable) for variable in variables]

    def add_assets(self) -> None:
        """Adds the files that objects save beside their variables."""
        for one in self.objects:
            if hasattr(one.holder, "save_assets"):  # an optional part of Keras' protocol
                for name, content in _assets_of(one.holder).items():
                    self.assets[f"{one.path}/{name}" if one.path else name] = content

    def add_variables(self, variables: Iterable[Any]) -> None:
        """Adds the values of variables for a replica of the model, in this order."""
        self.variables = [self.value_of(variable) for variable in variables]

    def extra_variables(self) -> dict[str, dict[str, np.ndarray]]:
        """Returns the values that Keras' file does not hold, by path and number of the variable."""
        groups = {group.path: group for group in self.groups}
        extra: dict[str, dict[str, np.ndarray]] = {}
        for path, variables in self._extra.items():
            saved = (
                [_array(value) for value in groups[path].values.values()] if path in groups else []
            )
            values = {str(number): _array(value) for number, value in enumerate(variables)}
            missing = {
                number: value
                for number, value in values.items()
                if not any(_are_equal(value, other) for other in saved)
            }
            if missing:
                extra[path] = missing
        return extra

    def _copy(self, value: Any, name: str) -> Any:
        if _is_variable(value):
            return self.value_of(value)
        copy = self._copy_of_computed(value)
        self._named[id(copy)] = (name, copy)
        return copy

    def _copy_of_computed(self, value: Any) -> Any:
        if self.live:
            return value
        if hasattr(value, "read_value"):  # a variable of TensorFlow's own
            return value.read_value()
        if hasattr(value, "detach"):
            return value.detach().clone()
        if backend() == "jax" and hasattr(value, "is_fully_addressable"):
            return keras.ops.copy(gather(value))
        if backend() == "tensorflow" and hasattr(value, "numpy"):
            return value  # TensorFlow's tensors never change.
        return np.array(value)


def _is_variable(value: Any) -> bool:
    return isinstance(value, keras.Variable)


def _array(value: Any) -> np.ndarray:
    array: np.ndarray = np.asarray(keras.ops.convert_to_numpy(value))
    return array


def _are_equal(one: np.ndarray, other: np.ndarray) -> bool:
    """Returns whether two arrays hold the same bytes."""
    return (
        one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    )


def _assets_of(holder: Any) -> Mapping[str, bytes]:
    with tempfile.TemporaryDirectory() as directory:
        holder.save_assets(directory)
        root = Path(directory)
        return {
            file.relative_to(root).as_posix(): file.read_bytes()
            for file in sorted(root.rglob("*"))
            if file.is_file()
        }
