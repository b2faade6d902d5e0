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

    def obstacle(self, model: Any) -> str | None:
        """Returns why a model cannot be saved from a snapshot, or None if it can."""

    def write(self, contents: Contents, path: Path) -> None:
        """Writes a checkpoint to a path at which there is nothing."""

    def read(self, model: Any, path: Path) -> Mapping[str, Any] | None:
        """Puts a checkpoint's weights and optimizer state into a model that is compiled.

        Returns:
            The training state that was written with it; None for a file that wk did not write.
        """
