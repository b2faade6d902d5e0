"""What every format can do."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from wk_checkpoint.contents import Contents

__all__ = ["Format"]


class Format(Protocol):
    """A way to keep a checkpoint in a file or in a directory."""

    @property
    def name(self) -> str:
        """What it is called in an artifact's metadata."""

    @property
    def whole(self) -> bool:
        """Whether it keeps architecture and compilation, besides weights and optimizer."""

    @property
    def directory(self) -> bool:
        """Whether it is a directory, not a file."""

    def obstacle(self, model: Any) -> str | None:
        """Returns why a model cannot be saved from a snapshot, or None if it can."""

    def write(self, contents: Contents, path: Path) -> None:
        """Writes a checkpoint to a path at which there is nothing."""

    def training_state(self, path: Path) -> Mapping[str, Any] | None:
        """Returns the training state in a checkpoint; None for one that wk did not write."""

    def load(self, model: Any, path: Path) -> None:
        """Puts a checkpoint's weights and optimizer state into a model.

        Raises:
            ValueError: If the model is not built, or not the one that was saved.
        """
