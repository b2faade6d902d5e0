"""Where a checkpoint goes: a path of this machine, or one of TensorFlow's remote file systems."""

import contextlib
import re
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Protocol

from wk_checkpoint.formats.tensorflow import tensorflow
from wk_checkpoint.storage.atomic import (
    UNFINISHED,
    beside,
    check_entries,
    check_replaceable,
    digest,
    remove,
    swap_in,
)
from wk_checkpoint.storage.page_cache import uncache

__all__ = ["Place", "absolute", "is_remote", "place_of"]

_LONG: Final = 86_400  # seconds after which an unfinished copy is taken for given up

_REMOTE: Final = re.compile(r"^(?:[a-z][a-z0-9+.-]*://|/(?:gcs|cns|cfs|hdfs|readahead)/)", re.I)


class Place(Protocol):
    """Where a checkpoint goes."""

    @property
    def name(self) -> str:
        """The last part of its path."""

    def check(self, *, directory: bool) -> None:
        """Raises FileExistsError if something is there that a checkpoint must not replace."""

    def draft(self) -> contextlib.AbstractContextManager[Path]:
        """Gives a local path to write to, which is removed in the end."""

    def publish(self, finished: Path) -> None:
        """Puts what was written into the place."""

    def uncache(self) -> None:
        """Lets go of the memory in which this machine keeps what is there, which is not changed."""

    def remove(self) -> None:
        """Removes what is there."""

    def stamp(self) -> list[int] | None:
        """Returns numbers that change with what is there; None where nothing is."""

    def local_copy(self) -> contextlib.AbstractContextManager[Path]:
        """Gives a path on this machine with what is there.

        Raises:
            FileNotFoundError: If nothing is there.
        """


def is_remote(filepath: str) -> bool:
    """Tells whether a path leads to another machine."""
    return _REMOTE.match(filepath) is not None


def absolute(filepath: str) -> str:
    """Returns a path that names the same place whatever becomes of the working directory."""
    return filepath if is_remote(filepath) else str(Path(filepath).absolute())


def place_of(filepath: str) -> Place:
    """Returns the place that a path, without placeholders, names.

    Raises:
        MissingTensorFlowError: If it is a remote one, and TensorFlow is not installed.
    """
    return RemotePlace(filepath) if is_remote(filepath) else LocalPlace(Path(filepath).absolute())


class LocalPlace:
    """A path of this machine: the checkpoint is replaced in one step.

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
        """Raises FileExistsError if there is something else than such a checkpoint."""
        check_replaceable(self._path, directory=directory)

    def draft(self) -> contextlib.AbstractContextManager[Path]:
        """Gives a path beside it to write to."""
        return beside(self._path)

    def publish(self, finished: Path) -> None:
        """Puts what was written in its place."""
        swap_in(finished, self._path)

    def uncache(self) -> None:
        """Lets go of the memory in which the system keeps the file or directory."""
        uncache(self._path)

    def remove(self) -> None:
        """Removes what is there."""
        remove(self._path)

    def stamp(self) -> list[int] | None:
        """Returns when it was last written, and its size."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        return [found.st_mtime_ns, found.st_size]

    @contextlib.contextmanager
    def local_copy(self) -> Iterator[Path]:
        """Gives the path itself."""
        if not self._path.exists():
            raise FileNotFoundError(f"There is no checkpoint at {str(self._path)!r}.")
        yield self._path


class RemotePlace:
    """A path such as `gs://bucket/model.keras`, reached through TensorFlow's file systems.

    The checkpoint is written here. A file is copied there under another name, which is then
    changed: it is replaced in one step where the file system can do that. Directories cannot be
    renamed everywhere: the new one is copied over the old one, file by file.

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
        """Raises FileExistsError if there is a directory with something else in it."""
        if directory and self._files.isdir(self._path):
            entries = self._files.listdir(self._path)
            check_entries(self._path, [name.rstrip("/") for name in entries])

    @contextlib.contextmanager
    def draft(self) -> Iterator[Path]:
        """Gives a path on this machine to write to."""
        with tempfile.TemporaryDirectory() as directory:
            yield Path(directory, self.name)

    def publish(self, finished: Path) -> None:
        """Copies what was written there."""
        parent, _, name = self._path.rpartition("/")
        self._files.makedirs(parent)
        if finished.is_dir():
            self.check(directory=True)
            self._copy(finished, self._path)
            self._remove_others(finished, self._path)
            return
        copies = f"{parent}/{UNFINISHED}-{digest(name)}-"
        self._remove_old(f"{copies}*")
        copy = f"{copies}{uuid.uuid4().hex[:8]}"  # somebody else may be copying there, too
        try:
            self._copy(finished, copy)
            self._files.rename(copy, self._path, overwrite=True)
        except self._error:
            with contextlib.suppress(self._error):
                self._remove(copy)
            raise

    def uncache(self) -> None:
        """Does nothing: it is kept elsewhere."""

    def remove(self) -> None:
        """Removes what is there."""
        self._remove(self._path)

    def stamp(self) -> list[int] | None:
        """Returns when it was last written, and its size."""
        try:
            found = self._files.stat(self._path)
        except self._error:
            return None
        return [found.mtime_nsec, found.length]

    @contextlib.contextmanager
    def local_copy(self) -> Iterator[Path]:
        """Fetches what is there."""
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
            self._remove(target)  # not every file system shortens a file that it overwrites
            self._files.copy(str(source), target)
            return
        self._files.makedirs(target)
        for entry in source.iterdir():
            self._copy(entry, f"{target}/{entry.name}")

    def _remove_others(self, source: Path, target: str) -> None:
        """Removes what is in a directory there and not in the one here."""
        for name in self._files.listdir(target):
            entry, path = source / name.rstrip("/"), f"{target}/{name.rstrip('/')}"
            if not entry.exists():
                self._remove(path)
            elif entry.is_dir():
                self._remove_others(entry, path)

    def _remove_old(self, pattern: str) -> None:
        """Removes what processes that were killed have left: nothing else tells of them there."""
        for path in self._files.glob(pattern):
            with contextlib.suppress(self._error):
                if time.time() - self._files.stat(path).mtime_nsec / 1e9 > _LONG:
                    self._remove(path)

    def _remove(self, path: str) -> None:
        if self._files.isdir(path):
            self._files.rmtree(path)
        elif self._files.exists(path):
            self._files.remove(path)
