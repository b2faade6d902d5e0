"""Weights and optimizer state in Keras' own `.weights.h5` file."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import h5py
import numpy as np

from wk_checkpoint.snapshot.checkpoint_data import CheckpointData
from wk_checkpoint.snapshot.snapshot import Snapshot
from wk_checkpoint.state.serialization import STATE_NAME, decode
from wk_core.compat.keras.graph import all_layers
from wk_core.compat.keras.saved_objects import SavedObject, write_hdf5_weights

__all__ = ["WeightsFile", "load_weights", "read_state", "require_built", "write_state"]


@dataclass(frozen=True)
class WeightsFile:
    """A `.weights.h5` file."""

    name: ClassVar[str] = "weights.h5"
    whole: ClassVar[bool] = False
    needs_configuration: ClassVar[bool] = False
    directory: ClassVar[bool] = False
    method: ClassVar[str] = "save_weights"

    def blocking_reason(self, model: Any) -> str | None:  # noqa: ARG002  any model will do
        """Returns None: training never waits for it."""
        return None

    def snapshot(self, model: Any, objects: Sequence[SavedObject], *, live: bool) -> Snapshot:  # noqa: ARG002  it needs no configuration
        """Returns a snapshot of all that the file holds."""
        snapshot = Snapshot(objects, live=live)
        snapshot.add_weights()
        return snapshot

    def write(self, data: CheckpointData, path: Path) -> None:
        """Writes the same file as Keras, and adds the training state."""
        if data.snapshot is None:
            data.model.save_weights(path)
        else:
            write_hdf5_weights(data.snapshot.groups, path)
        write_state(path, data)

    def training_state(self, path: Path) -> Mapping[str, Any] | None:
        """Returns the training state in the file, or None."""
        return read_state(path)

    def build(self, model: Any, path: Path) -> None:  # noqa: ARG002  the file holds no shapes of inputs
        """Raises ValueError if a model has no variables yet."""
        require_built(model)

    def load(self, model: Any, path: Path) -> None:
        """Loads weights and optimizer state into a built model."""
        load_weights(model, path)


def write_state(path: Path, data: CheckpointData) -> None:
    """Adds the training state to a file, unless a model's own method wrote another kind of file."""
    if data.snapshot is None and not (path.is_file() and h5py.is_hdf5(path)):
        return
    with h5py.File(path, "a") as file:
        file.create_dataset(STATE_NAME, data=np.frombuffer(data.encoded_state(), np.uint8))


def read_state(path: Path) -> dict[str, Any] | None:
    """Returns the training state in an HDF5 file; None if it has none."""
    with h5py.File(path, "r") as file:
        dataset = file.get(STATE_NAME)
        return None if dataset is None else decode(dataset[()].tobytes())


def load_weights(model: Any, path: Path) -> None:
    """Loads a `.weights.h5` file into a built model.

    Raises:
        ValueError: If the model differs from the saved one.
    """
    with warnings.catch_warnings():
        # Keras only warns if it skips an optimizer's state, without which training cannot go on.
        warnings.filterwarnings("error", message="Skipping variable loading for optimizer")
        try:
            model.load_weights(path)
        except ValueError as error:
            raise ValueError(
                f"{path.name} was saved from a model that is not like {model.name!r}, or was "
                f"compiled with another optimizer: {error}"
            ) from error


def require_built(model: Any) -> None:
    """Raises ValueError if a model has no variables yet.

    Keras does not see that a model is built if the model is never called, such as a GAN with its
    own training step. It counts as built if all its layers are.
    """
    if not model.built and model.weights:
        model.built = all(layer.built for layer in all_layers(model) if layer is not model)
    if not model.built:
        raise ValueError(
            f"Model {model.name!r} has no weights yet to restore into: build it first, by giving "
            "it a `keras.Input`, or by calling `model.build(input_shape)` or the model on a batch."
        )
