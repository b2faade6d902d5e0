"""Where a checkpoint is written: a path of this machine, or of a remote file system."""

import contextlib
import re
from pathlib import Path
from typing import Final, Protocol

from wk_checkpoint.storage.local import LocalStorage
from wk_checkpoint.storage.remote import RemoteStorage

__all__ = ["Storage", "absolute", "is_remote", "storage_at"]

_REMOTE: Final = re.compile(r"^(?:[a-z][a-z0-9+.-]*://|/(?:gcs|cns|cfs|hdfs|readahead)/)", re.I)


class Storage(Protocol):
    """One path at which checkpoints are written, read and removed."""

    @property
    def name(self) -> str:
        """The last part of the path."""

    def check(self, *, directory: bool) -> None:
        """Raises FileExistsError if the path holds something that a checkpoint must not replace.

        Args:
            directory: Whether the checkpoint is a directory.
        """

    def temporary(self) -> contextlib.AbstractContextManager[Path]:
        """Returns a context with a local path to write to, which is removed at its end."""

    def commit(self, finished: Path) -> None:
        """Replaces what is at the path with a finished file or directory of this machine."""

    def drop_page_cache(self) -> None:
        """Frees the memory in which this machine caches the checkpoint; its content stays."""

    def remove(self) -> None:
        """Removes what is at the path."""

    def stamp(self) -> list[int] | None:
        """Returns time of change in ns and size in bytes; None if nothing is at the path."""

    def local_copy(self) -> contextlib.AbstractContextManager[Path]:
        """Returns a context with a path of this machine that holds the checkpoint.

        Raises:
            FileNotFoundError: If nothing is at the path.
        """


def is_remote(filepath: str) -> bool:
    """Returns whether a path belongs to one of TensorFlow's remote file systems."""
    return _REMOTE.match(filepath) is not None


def absolute(filepath: str) -> str:
    """Returns a path that does not depend on the working directory."""
    return filepath if is_remote(filepath) else str(Path(filepath).absolute())


def storage_at(filepath: str) -> Storage:
    """Returns the storage at a path without placeholders.

    Raises:
        MissingTensorFlowError: If the path is remote and TensorFlow is not installed.
    """
    if is_remote(filepath):
        return RemoteStorage(filepath)
    return LocalStorage(Path(filepath).absolute())
