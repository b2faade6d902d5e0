"""The interface of the formats."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from wk_checkpoint.snapshot.checkpoint_data import CheckpointData
from wk_checkpoint.snapshot.snapshot import Snapshot
from wk_core.compat.keras.saved_objects import SavedObject

__all__ = ["Format"]


class Format(Protocol):
    """Writes and reads checkpoints in one file format."""

    @property
    def name(self) -> str:
        """The name of the format in an artifact's metadata."""

    @property
    def whole(self) -> bool:
        """Whether it holds architecture and compilation, besides weights and optimizer state."""

    @property
    def needs_configuration(self) -> bool:
        """Whether it cannot be written without the JSON of the model's architecture."""

    @property
    def directory(self) -> bool:
        """Whether a checkpoint is a directory; otherwise it is a file."""

    @property
    def method(self) -> str | None:
        """The model's method that saves it, which a class may override; None if there is none."""

    def blocking_reason(self, model: Any) -> str | None:
        """Returns why training must wait while a model is written; None if it need not."""

    def snapshot(self, model: Any, objects: Sequence[SavedObject], *, live: bool) -> Snapshot:
        """Returns a snapshot of all that the format holds of a model.

        Args:
            model: The model.
            objects: Its saved objects.
            live: Whether training waits until the snapshot is written.

        Raises:
            UnserializableModelError: If the format holds the architecture, and Keras cannot
                serialize it.
        """

    def write(self, data: CheckpointData, path: Path) -> None:
        """Writes a checkpoint to a path that does not exist yet."""

    def training_state(self, path: Path) -> Mapping[str, Any] | None:
        """Returns the training state in a checkpoint; None if wk did not write it."""

    def build(self, model: Any, path: Path) -> None:
        """Builds a model that is not built, if the checkpoint holds its shapes.

        Raises:
            ValueError: If the model is not built afterwards.
        """

    def load(self, model: Any, path: Path) -> None:
        """Loads weights and optimizer state into a built model.

        Raises:
            ValueError: If the model differs from the saved one.
        """
