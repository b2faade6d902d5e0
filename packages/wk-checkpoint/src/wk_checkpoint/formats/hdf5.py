"""A whole model in the HDF5 file of earlier versions of Keras."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import h5py

from wk_checkpoint.contents import Contents
from wk_checkpoint.formats.weights import read_state, require_built, write_state
from wk_checkpoint.snapshot import obstacle
from wk_checkpoint.twin import Twins
from wk_core.keras_saving import build_optimizer, load_optimizer_from_hdf5

__all__ = ["HDF5File"]


class HDF5File:
    """A `.h5` file: architecture, compilation, weights, optimizer state."""

    name: ClassVar[str] = "h5"
    whole: ClassVar[bool] = True
    directory: ClassVar[bool] = False

    def __init__(self) -> None:
        self._twins = Twins(with_optimizer=True)

    def obstacle(self, model: Any) -> str | None:
        """Returns why a model cannot be saved from a snapshot, or None if it can."""
        return obstacle(model, with_assets=True) or self._twins.obstacle(model)

    def write(self, contents: Contents, path: Path) -> None:
        """Writes the file with Keras' writer, and the training state beside it."""
        self._twins.holding(contents).save(path)
        write_state(path, contents.encoded_state())

    def training_state(self, path: Path) -> Mapping[str, Any] | None:
        """Returns the training state in the file, or None."""
        return read_state(path)

    def load(self, model: Any, path: Path) -> None:
        """Loads weights and optimizer state into a built model."""
        require_built(model)
        model.load_weights(path)
        if getattr(model, "optimizer", None) is not None:
            build_optimizer(model)
            with h5py.File(path, "r") as file:
                load_optimizer_from_hdf5(model.optimizer, file)
