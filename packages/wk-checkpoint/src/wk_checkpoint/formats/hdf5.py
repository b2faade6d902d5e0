"""A whole model in the HDF5 file of earlier versions of Keras."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import h5py

from wk_checkpoint.formats.weights import read_state, require_built, write_state
from wk_checkpoint.snapshot.checkpoint_data import Contents
from wk_checkpoint.snapshot.replica import Twins
from wk_checkpoint.snapshot.snapshot import Snapshot
from wk_core.keras import LEGACY
from wk_core.keras_saving import load_optimizer_from_hdf5
from wk_core.optimizers import unwrap_optimizer
from wk_core.saved_objects import SavedObject

__all__ = ["HDF5File"]


class HDF5File:
    """A `.h5` file: architecture, compilation, weights, optimizer state."""

    name: ClassVar[str] = "h5"
    whole: ClassVar[bool] = True
    needs_configuration: ClassVar[bool] = True
    directory: ClassVar[bool] = False
    method: ClassVar[str] = "save"

    def __init__(self) -> None:
        self._twins = Twins(with_optimizer=True)

    def obstacle(self, model: Any) -> str | None:
        """Returns why training has to wait until a model is written, or None if it need not."""
        return self._twins.obstacle(model)

    def snapshot(self, model: Any, objects: Sequence[SavedObject], *, live: bool) -> Snapshot:
        """Returns what the file holds, as it is now."""
        return self._twins.snapshot(model, objects, live=live)

    def write(self, contents: Contents, path: Path) -> None:
        """Writes the file with Keras' writer, and the training state beside it."""
        self._twins.holding(contents).save(path)
        write_state(path, contents)

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
        # Keras 2 cannot load that of a `LossScaleOptimizer` (`model_state_keras_2` can).
        if optimizer is not None and not (LEGACY and unwrap_optimizer(optimizer) is not optimizer):
            with h5py.File(path, "r") as file:
                load_optimizer_from_hdf5(optimizer, file)
