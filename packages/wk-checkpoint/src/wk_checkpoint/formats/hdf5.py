"""A whole model in the HDF5 file of earlier versions of Keras."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from wk_checkpoint.contents import Contents
from wk_checkpoint.formats.weights import read_state, write_state
from wk_core.keras import LEGACY, keras

__all__ = ["HDF5File"]


@dataclass(frozen=True)
class HDF5File:
    """A `.h5` file: architecture, compilation, weights, optimizer state."""

    name: ClassVar[str] = "h5"
    whole: ClassVar[bool] = True

    def obstacle(self, model: Any) -> str | None:  # noqa: ARG002
        """Returns that no model can be saved from a snapshot."""
        return "Keras reads a model's configuration and weights at once for an HDF5 file"

    def write(self, contents: Contents, path: Path) -> None:
        """Writes the file with Keras' writer, and the training state beside it."""
        contents.model.save(path)
        write_state(path, contents.encoded_state())

    def read(self, model: Any, path: Path) -> Mapping[str, Any] | None:
        """Loads weights and optimizer state from the model that the file describes."""
        saved = keras.models.load_model(path)
        model.set_weights(saved.get_weights())
        optimizer = getattr(model, "optimizer", None)
        if optimizer is not None and saved.optimizer is not None:
            optimizer.build(model.trainable_variables)
            if LEGACY:
                optimizer.set_weights([variable.numpy() for variable in saved.optimizer.variables])
            else:
                for variable, value in zip(
                    optimizer.variables, saved.optimizer.variables, strict=True
                ):
                    variable.assign(value)
        return read_state(path)
