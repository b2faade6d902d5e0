"""A whole model in the HDF5 file of earlier versions of Keras."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from wk_checkpoint.contents import Contents
from wk_checkpoint.formats.weights import read_state, write_state
from wk_core.keras import build_optimizer, keras, set_variables

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

    def training_state(self, path: Path) -> Mapping[str, Any] | None:
        """Returns the training state in the file, or None."""
        return read_state(path)

    def load(self, model: Any, path: Path) -> None:
        """Loads weights and optimizer state from the model that the file describes."""
        saved = keras.models.load_model(path)
        model.set_weights(saved.get_weights())
        if saved.optimizer is not None:
            build_optimizer(model)
            set_variables(model.optimizer, saved.optimizer.variables)
