"""The values of a model's variables at one moment, whatever training does to them afterwards.

A snapshot costs the training thread next to nothing on TensorFlow, where it shares the variables'
memory until the next step writes to them, and a copy on the device elsewhere. Keras' own writers
then save these values in another thread: inside `keras.StatelessScope`, which only concerns the
thread that enters it, a variable has the value that the scope maps it to.
"""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wk_core.keras import LEGACY, keras
from wk_core.keras_saving import all_layers, prepare_saving
from wk_core.keras_training import frozen_value

__all__ = ["Snapshot", "obstacle", "saved_variables"]

if not LEGACY:

    class _Reads(keras.StatelessScope):  # type: ignore[misc]  # Keras ships no types
        """Notes which variables are read; each is worth a single zero, so that reading is cheap."""

        def __init__(self) -> None:
            super().__init__()
            self.variables: dict[int, Any] = {}
            self._zero = keras.ops.zeros(())

        def get_current_value(self, variable: Any) -> Any:
            self.variables[id(variable)] = variable
            return self._zero

    class _Past(keras.StatelessScope):  # type: ignore[misc]
        """Lets variables have the values that they had, and none another one than that."""

        def get_current_value(self, variable: Any) -> Any:
            value = super().get_current_value(variable)
            if value is None:
                raise LookupError(f"{variable.path} is not in the snapshot of the model.")
            return value


class Snapshot:
    """What some variables hold now.

    Args:
        variables: The variables. The training state must be in them
            (`wk_core.keras.sync_state`).
    """

    def __init__(self, variables: list[Any]) -> None:
        self._values = {id(one): (one, frozen_value(one)) for one in variables}

    def value_of(self, variable: Any) -> Any:
        """Returns the value that a variable had."""
        return self._values[id(variable)][1]

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Lets this thread see the variables as they were, until the block ends."""
        prepare_saving()
        with _Past(state_mapping=self._values.values()):
            yield


def saved_variables(model: Any) -> list[Any]:
    """Returns the variables that Keras' writer puts into a file of the model's weights.

    It finds them by having Keras write such a file, with one number for each variable: nothing
    else knows for sure what a model with optimizers and metrics of its own has saved.
    """
    prepare_saving()
    with tempfile.TemporaryDirectory() as directory, _Reads() as reads:
        model.save_weights(Path(directory, "probe.weights.h5"))
    return list(reads.variables.values())


def obstacle(model: Any, *, with_assets: bool) -> str | None:
    """Returns why a model cannot be saved from a snapshot, or None if it can.

    Args:
        model: The model.
        with_assets: Whether the layers' assets, as vocabularies, are saved with it.
    """
    if LEGACY:
        return "Keras 2 can only save what a model holds at that moment"
    for layer in all_layers(model):
        saves_variables = type(layer).save_own_variables
        if not saves_variables.__module__.startswith("keras."):
            return f"layer {layer.name!r} decides itself what to save of its state"
        if with_assets and hasattr(layer, "save_assets"):  # an optional part of Keras' protocol
            return f"layer {layer.name!r} saves assets beside its variables"
    return None
