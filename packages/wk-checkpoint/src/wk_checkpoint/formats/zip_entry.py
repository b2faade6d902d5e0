"""An entry of a zip archive that is written in its place, at any position, as HDF5 does."""

import contextlib
import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

__all__ = ["ArchiveFile", "Entry", "entry_in_place"]

_PIECE = 1 << 20  # bytes to read back at a time


class ArchiveFile(io.FileIO):
    """The file of an archive to write: `zipfile.ZipFile(ArchiveFile(path), "w")`.

    Args:
        path: The file; one that exists is replaced.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w+")
        self.stands_already = False
        """Whether what is written to it stands there already, and is only passed over."""

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Writes all of the data."""
        rest = memoryview(data).cast("B")
        size = len(rest)
        if self.stands_already:
            self.seek(size, os.SEEK_CUR)
            return size
        while rest:
            rest = rest[super().write(rest) :]
        return size


class Entry(io.BytesIO):
    """The end of a file, from an offset on, as a file of its own.

    It is a `BytesIO` because Keras writes HDF5 to paths and to `BytesIO`s only; nothing is kept in
    memory. HDF5 does not survive a file that raises: what goes wrong is kept, and for HDF5 all is
    well.

    Args:
        file: The file.
        offset: Where the entry begins.

    Attributes:
        error: Why something could not be written; None where everything was.
    """

    def __init__(self, file: io.FileIO, offset: int) -> None:
        super().__init__()
        self.error: OSError | None = None
        self._file = file
        self._offset = offset
        self._position = 0

    def seek(self, position: int, whence: int = os.SEEK_SET) -> int:
        """Moves to a position; returns it."""
        bases = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size()}
        self._position = bases[whence] + position
        return self._position

    def tell(self) -> int:
        """Returns the position."""
        return self._position

    def size(self) -> int:
        """Returns how many bytes the entry has."""
        return os.fstat(self._file.fileno()).st_size - self._offset

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Writes all of the data."""
        rest = memoryview(data).cast("B")
        start, size = self._offset + self._position, len(rest)
        self._position += size
        with self._keeping_error():
            while rest:
                written = os.pwrite(self._file.fileno(), rest, start)
                start, rest = start + written, rest[written:]
        return size

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Reads into a buffer; returns how many bytes."""
        count = os.preadv(self._file.fileno(), [buffer], self._offset + self._position)
        self._position += count
        return count

    def truncate(self, size: int | None = None) -> int:
        """Cuts the entry off at a size, or here."""
        size = self._position if size is None else size
        with self._keeping_error():
            os.ftruncate(self._file.fileno(), self._offset + size)
        return size

    @contextlib.contextmanager
    def _keeping_error(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.error = self.error or error


@contextlib.contextmanager
def entry_in_place(archive: zipfile.ZipFile, file: ArchiveFile, name: str) -> Iterator[Entry]:
    """Gives a file to write; what is in it at the end of the block is an entry of the archive.

    Args:
        archive: The archive.
        file: Its file.
        name: The entry's name.

    Raises:
        OSError: If it cannot be written, as on a full disk.
    """
    with archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as target:
        entry = Entry(file, file.tell())
        yield entry
        if entry.error is not None:
            raise entry.error
        # The archive needs a checksum, and the bytes one after the other for that.
        entry.seek(0)
        piece = memoryview(bytearray(_PIECE))
        file.stands_already = True
        while count := entry.readinto(piece):
            target.write(piece[:count])
        file.stands_already = False
