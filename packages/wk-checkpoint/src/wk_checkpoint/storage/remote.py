"""A path of a remote file system such as `gs://`, which TensorFlow reads and writes."""

import contextlib
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from wk_checkpoint.formats.tensorflow import tensorflow
from wk_checkpoint.storage.atomic import UNFINISHED, check_entries, digest

__all__ = ["RemoteStorage"]

_ABANDONED_AFTER: Final = 86_400  # seconds without a change, after which a copy is removed


class RemoteStorage:
    """Checkpoints at a path such as `gs://bucket/model.keras`: see `Storage`.

    A checkpoint is first written on this machine. A file is then copied under a temporary name
    and renamed, which replaces it in one step if the file system can do that. Not every file
    system renames directories, so a new one is copied over the old one, file by file.

    Args:
        path: The path.

    Raises:
        MissingTensorFlowError: If TensorFlow is not installed.
    """

    def __init__(self, path: str) -> None:
        tf = tensorflow(f"The remote path {path!r}")
        self._files: Any = tf.io.gfile
        self._error: type[Exception] = tf.errors.OpError
        self._path = path.rstrip("/")

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self._path.rpartition("/")[2]

    def check(self, *, directory: bool) -> None:
        """Raises FileExistsError if a directory at the path holds something else."""
        if directory and self._files.isdir(self._path):
            entries = self._files.listdir(self._path)
            check_entries(self._path, [name.rstrip("/") for name in entries])

    @contextlib.contextmanager
    def temporary(self) -> Iterator[Path]:
        """Yields a path of this machine, which is removed at the end."""
        with tempfile.TemporaryDirectory() as directory:
            yield Path(directory, self.name)

    def commit(self, finished: Path) -> None:
        """Copies a finished file or directory to the path."""
        parent, _, name = self._path.rpartition("/")
        self._files.makedirs(parent)
        if finished.is_dir():
            self.check(directory=True)
            self._copy(finished, self._path)
            self._remove_others(finished, self._path)
            return
        copies = f"{parent}/{UNFINISHED}-{digest(name)}-"
        self._remove_abandoned(f"{copies}*")
        copy = f"{copies}{uuid.uuid4().hex[:8]}"  # another process may be copying to the same path
        try:
            self._copy(finished, copy)
            self._files.rename(copy, self._path, overwrite=True)
        except self._error:
            with contextlib.suppress(self._error):
                self._remove(copy)
            raise

    def drop_page_cache(self) -> None:
        """Does nothing: the checkpoint is on another machine."""

    def remove(self) -> None:
        """Removes what is at the path."""
        self._remove(self._path)

    def stamp(self) -> list[int] | None:
        """Returns time of change in ns and size in bytes; None if nothing is at the path."""
        try:
            found = self._files.stat(self._path)
        except self._error:
            return None
        return [found.mtime_nsec, found.length]

    @contextlib.contextmanager
    def local_copy(self) -> Iterator[Path]:
        """Yields a local copy, which is removed at the end."""
        if not self._files.exists(self._path):
            raise FileNotFoundError(f"There is no checkpoint at {self._path!r}.")
        with tempfile.TemporaryDirectory() as directory:
            target = Path(directory, self.name)
            self._fetch(self._path, target)
            yield target

    def _fetch(self, source: str, target: Path) -> None:
        if not self._files.isdir(source):
            self._files.copy(source, str(target))
            return
        target.mkdir()
        for name in self._files.listdir(source):
            self._fetch(f"{source}/{name.rstrip('/')}", target / name.rstrip("/"))

    def _copy(self, source: Path, target: str) -> None:
        if not source.is_dir():
            self._remove(
                target
            )  # some file systems keep the tail of a longer file that they overwrite
            self._files.copy(str(source), target)
            return
        self._files.makedirs(target)
        for entry in source.iterdir():
            self._copy(entry, f"{target}/{entry.name}")

    def _remove_others(self, source: Path, target: str) -> None:
        """Removes from the remote directory what the local one does not have."""
        for name in self._files.listdir(target):
            entry, path = source / name.rstrip("/"), f"{target}/{name.rstrip('/')}"
            if not entry.exists():
                self._remove(path)
            elif entry.is_dir():
                self._remove_others(entry, path)

    def _remove_abandoned(self, pattern: str) -> None:
        """Removes the unfinished copies of killed processes; only their age tells them apart."""
        for path in self._files.glob(pattern):
            with contextlib.suppress(self._error):
                if time.time() - self._files.stat(path).mtime_nsec / 1e9 > _ABANDONED_AFTER:
                    self._remove(path)

    def _remove(self, path: str) -> None:
        if self._files.isdir(path):
            self._files.rmtree(path)
        elif self._files.exists(path):
            self._files.remove(path)
