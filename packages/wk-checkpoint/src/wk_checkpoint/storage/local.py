"""A path of this machine, on which a checkpoint is replaced in one step."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from wk_checkpoint.storage import atomic

__all__ = ["LocalStorage", "drop_page_cache"]


class LocalStorage:
    """Checkpoints at a path of this machine: see `Storage`.

    Args:
        path: The path.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self._path.name

    def check(self, *, directory: bool) -> None:
        """Raises FileExistsError if the path holds something that is no such checkpoint."""
        atomic.check_replaceable(self._path, directory=directory)

    def temporary(self) -> contextlib.AbstractContextManager[Path]:
        """Returns a context with a path on the same file system, which is removed at its end."""
        return atomic.temporary_sibling(self._path)

    def commit(self, finished: Path) -> None:
        """Replaces what is at the path, in one step."""
        atomic.replace(finished, self._path)

    def drop_page_cache(self) -> None:
        """Frees the memory in which the system caches the file, or the directory's files."""
        drop_page_cache(self._path)

    def remove(self) -> None:
        """Removes what is at the path."""
        atomic.remove(self._path)

    def stamp(self) -> list[int] | None:
        """Returns time of change in ns and size in bytes; None if nothing is at the path."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        return [found.st_mtime_ns, found.st_size]

    @contextlib.contextmanager
    def local_copy(self) -> Iterator[Path]:
        """Yields the path itself."""
        if not self._path.exists():
            raise FileNotFoundError(f"There is no checkpoint at {str(self._path)!r}.")
        yield self._path


def drop_page_cache(path: Path) -> None:
    """Frees the memory in which the system caches a file, or the files of a directory.

    Pages that are not on the disk yet stay. Does nothing if the file is gone, or if the system has
    no such call (macOS, Windows).
    """
    if not hasattr(os, "posix_fadvise"):
        return
    inside = (Path(folder, name) for folder, _, names in os.walk(path) for name in names)
    for file in inside if path.is_dir() else [path]:
        with contextlib.suppress(OSError), file.open("rb", buffering=0) as opened:
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
