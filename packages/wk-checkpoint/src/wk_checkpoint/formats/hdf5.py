"""A whole model in the HDF5 file of earlier versions of Keras."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import h5py

from wk_checkpoint.formats.weights import read_state, require_built, write_state
from wk_checkpoint.snapshot.checkpoint_data import CheckpointData
from wk_checkpoint.snapshot.replica import ModelReplica
from wk_checkpoint.snapshot.snapshot import Snapshot
from wk_core.compat.keras.flavour import load_hdf5_optimizer
from wk_core.compat.keras.saved_objects import SavedObject

__all__ = ["HDF5File"]


class HDF5File:
    """A `.h5` file: architecture, compilation, weights, optimizer state."""

    name: ClassVar[str] = "h5"
    whole: ClassVar[bool] = True
    needs_configuration: ClassVar[bool] = True
    directory: ClassVar[bool] = False
    method: ClassVar[str] = "save"

    def __init__(self) -> None:
        self._replica = ModelReplica(with_optimizer=True)

    def blocking_reason(self, model: Any) -> str | None:
        """Returns why training must wait while a model is written; None if it need not."""
        return self._replica.blocking_reason(model)

    def snapshot(self, model: Any, objects: Sequence[SavedObject], *, live: bool) -> Snapshot:
        """Returns a snapshot of all that the file holds."""
        return self._replica.snapshot(model, objects, live=live)

    def write(self, data: CheckpointData, path: Path) -> None:
        """Writes the file with Keras' writer, and adds the training state."""
        self._replica.with_values(data).save(path)
        write_state(path, data)

    def training_state(self, path: Path) -> Mapping[str, Any] | None:
        """Returns the training state in the file, or None."""
        return read_state(path)

    def build(self, model: Any, path: Path) -> None:  # noqa: ARG002  Keras reads no such file
        """Raises ValueError if a model has no variables yet."""
        require_built(model)

    def load(self, model: Any, path: Path) -> None:
        """Loads weights and optimizer state into a built model."""
        model.load_weights(path)
        optimizer = getattr(model, "optimizer", None)
        if optimizer is not None:
            with h5py.File(path, "r") as file:
                load_hdf5_optimizer(optimizer, file)
