"""What a model holds at one moment, whatever training does to it afterwards.

Keras' walk through the model and the objects' own ways of saving run in the training thread: they
say what belongs into a file, and where. The values of variables are only noted there, which costs
next to nothing on TensorFlow, where a value shares the variable's memory until the next step
writes to it, and a copy on the device elsewhere. What is slow, the way to the host and into a
file, another thread does.
"""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wk_core.keras import backend, keras
from wk_core.keras_training import frozen_value
from wk_core.saved_objects import SavedGroup, SavedObject, own_variables, saved_values
from wk_core.spread import whole

__all__ = ["Snapshot"]


class Snapshot:
    """What is saved of a model, as it is now.

    The training state must be in the variables (`wk_core.keras.sync_state`). Where each process has
    parts of the model, all of them have to take the same snapshot.

    Args:
        objects: The objects whose state is saved, as `wk_core.saved_objects` finds them.
        live: Whether the variables stand for themselves, since nothing changes them before they
            are written. That saves copies.

    Attributes:
        config: The JSON of the model's architecture and compilation, for formats that hold it.
        groups: What Keras' file of weights holds, for formats that have one.
        assets: The files that objects save beside their variables, as vocabularies, by path in
            Keras' archive.
        variables: The values that a replica of the model gets, for formats that write one.
    """

    def __init__(self, objects: Sequence[SavedObject] = (), *, live: bool = False) -> None:
        self.objects = objects
        self.live = live
        self.config: str | None = None
        self.groups: list[SavedGroup] = []
        self.assets: dict[str, bytes] = {}
        self.variables: list[Any] = []
        self._values: dict[int, tuple[Any, Any]] = {}
        self._computed: dict[str, list[Any]] = {}

    def value_of(self, variable: Any) -> Any:
        """Returns the value of a variable; the first time in the training thread."""
        if self.live:
            return variable
        if id(variable) not in self._values:
            self._values[id(variable)] = (variable, frozen_value(variable))
        return self._values[id(variable)][1]

    def take_weights(self) -> None:
        """Takes what Keras' file of weights holds, in the order and under the names it has there.

        Where an object computes what it saves, as a layer with LoRA its merged kernel, its
        variables are taken, too: the training goes on with these.
        """
        for one in self.objects:
            if not hasattr(one.holder, "save_own_variables"):
                continue
            values = saved_values(one.holder)
            name = getattr(one.holder, "name", None)
            taken = {key: self._taken(value) for key, value in values.items()}
            self.groups.append(SavedGroup(one.path, name if isinstance(name, str) else None, taken))
            if not all(_is_variable(value) for value in values.values()):
                self.take_beside(one)

    def take_beside(self, one: SavedObject) -> None:
        """Takes an object's variables that the format does not hold as they are."""
        if isinstance(one.holder, keras.layers.TorchModuleWrapper):
            return  # What it saves is all that its module holds.
        variables = one.holder.variables if one.is_optimizer else own_variables(one.holder)
        self._computed[one.path] = [self.value_of(variable) for variable in variables]

    def take_assets(self) -> None:
        """Takes the files that objects save beside their variables."""
        for one in self.objects:
            if hasattr(one.holder, "save_assets"):  # an optional part of Keras' protocol
                for name, content in _assets_of(one.holder).items():
                    self.assets[f"{one.path}/{name}" if one.path else name] = content

    def take_variables(self, variables: Iterable[Any]) -> None:
        """Takes the values of variables, in this order."""
        self.variables = [self.value_of(variable) for variable in variables]

    def values_beside(self) -> dict[str, dict[str, np.ndarray]]:
        """Returns, by path and number, the values of variables that are in no file of Keras."""
        groups = {group.path: group for group in self.groups}
        beside: dict[str, dict[str, np.ndarray]] = {}
        for path, variables in self._computed.items():
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
                beside[path] = missing
        return beside

    def _taken(self, value: Any) -> Any:
        if _is_variable(value):
            return self.value_of(value)
        if self.live:
            return value
        if hasattr(value, "read_value"):  # a variable of TensorFlow's own
            return value.read_value()
        if hasattr(value, "detach"):
            return value.detach().clone()
        if backend() == "jax" and hasattr(value, "is_fully_addressable"):
            return keras.ops.copy(whole(value))
        if backend() == "tensorflow" and hasattr(value, "numpy"):
            return value  # TensorFlow's tensors never change.
        return np.array(value)


def _is_variable(value: Any) -> bool:
    return isinstance(value, keras.Variable)


def _array(value: Any) -> np.ndarray:
    array: np.ndarray = np.asarray(keras.ops.convert_to_numpy(value))
    return array


def _are_equal(one: np.ndarray, other: np.ndarray) -> bool:
    """Tells whether two arrays hold the same bytes."""
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
