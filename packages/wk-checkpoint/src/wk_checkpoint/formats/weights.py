"""Weights and optimizer state in Keras' own `.weights.h5` file."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import h5py
import numpy as np

from wk_checkpoint.contents import Contents
from wk_checkpoint.snapshot import obstacle
from wk_checkpoint.state_file import STATE_NAME, decode
from wk_core.keras_saving import build_optimizer

__all__ = ["WeightsFile", "load_weights", "read_state", "require_built", "write_state"]


@dataclass(frozen=True)
class WeightsFile:
    """A `.weights.h5` file."""

    name: ClassVar[str] = "weights.h5"
    whole: ClassVar[bool] = False
    directory: ClassVar[bool] = False

    def obstacle(self, model: Any) -> str | None:
        """Returns why a model cannot be saved from a snapshot, or None if it can."""
        return obstacle(model, with_assets=False)

    def write(self, contents: Contents, path: Path) -> None:
        """Writes the weights with Keras' writer, and the training state beside them."""
        with contents.in_place():
            contents.model.save_weights(path)
        write_state(path, contents.encoded_state())

    def training_state(self, path: Path) -> Mapping[str, Any] | None:
        """Returns the training state in the file, or None."""
        return read_state(path)

    def load(self, model: Any, path: Path) -> None:
        """Loads weights and optimizer state into a built model."""
        load_weights(model, path)


def write_state(path: Path, state: bytes) -> None:
    """Adds a training state to an HDF5 file."""
    with h5py.File(path, "a") as file:
        file.create_dataset(STATE_NAME, data=np.frombuffer(state, np.uint8))


def read_state(path: Path) -> dict[str, Any] | None:
    """Returns the training state in an HDF5 file, or None if it has none."""
    with h5py.File(path, "r") as file:
        dataset = file.get(STATE_NAME)
        return None if dataset is None else decode(dataset[()].tobytes())


def load_weights(model: Any, path: Path) -> None:
    """Loads a `.weights.h5` file into a built model, all of it or none.

    Raises:
        ValueError: If the model is not built, or not the one that was saved.
    """
    require_built(model)
    build_optimizer(model)
    with warnings.catch_warnings():
        # Keras only warns when it leaves an optimizer's state out: training would not go on.
        warnings.filterwarnings("error", message="Skipping variable loading for optimizer")
        try:
            model.load_weights(path)
        except ValueError as error:
            raise ValueError(
                f"{path.name} was saved from a model that is not like {model.name!r}, or was "
                f"compiled with another optimizer: {error}"
            ) from error


def require_built(model: Any) -> None:
    """Raises ValueError if a model has no variables yet."""
    if not model.built:
        raise ValueError(
            f"Model {model.name!r} has no weights yet to restore into: build it first, by giving "
            "it a `keras.Input`, or by calling `model.build(input_shape)` or the model on a batch."
        )
