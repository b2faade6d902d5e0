"""What every format can do."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from wk_checkpoint.snapshot.checkpoint_data import Contents
from wk_checkpoint.snapshot.snapshot import Snapshot
from wk_core.saved_objects import SavedObject

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
    def needs_configuration(self) -> bool:
        """Whether it cannot do without the architecture of the model as text."""

    @property
    def directory(self) -> bool:
        """Whether it is a directory, not a file."""

    @property
    def method(self) -> str | None:
        """The model's own method for it, which the user's class may override; None without one."""

    def obstacle(self, model: Any) -> str | None:
        """Returns why training has to wait until a model is written, or None if it need not."""

    def snapshot(self, model: Any, objects: Sequence[SavedObject], *, live: bool) -> Snapshot:
        """Returns what the format holds of a model, as it is now.

        Args:
            model: The model.
            objects: Its saved objects.
            live: Whether training waits until it is written.

        Raises:
            UnserializableModelError: If the format holds the architecture, which cannot be had.
        """

    def write(self, contents: Contents, path: Path) -> None:
        """Writes a checkpoint to a path at which there is nothing."""

    def training_state(self, path: Path) -> Mapping[str, Any] | None:
        """Returns the training state in a checkpoint; None for one that wk did not write."""

    def build(self, model: Any, path: Path) -> None:
        """Has a model make its variables, where it has not yet and the checkpoint knows how.

        Raises:
            ValueError: If it has none.
        """

    def load(self, model: Any, path: Path) -> None:
        """Puts a checkpoint's weights and optimizer state into a built model.

        Raises:
            ValueError: If the model is not the one that was saved.
        """
