"""An entry of a zip archive that HDF5 writes in place, at any position, without a copy of it."""

import contextlib
import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

__all__ = ["ArchiveFile", "Entry", "entry_in_place"]

_PIECE = 1 << 20  # bytes to read back at a time


class ArchiveFile(io.FileIO):
    """A file for `zipfile.ZipFile(ArchiveFile(path), "w")`.

    Args:
        path: The path; an existing file is overwritten.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w+")
        self.stands_already = False
        """Whether `write` skips the data, since the file has it at this position already."""

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
    """The part of a file from an offset to its end, as a file of its own.

    It is a `BytesIO` since Keras writes HDF5 only to a path or a `BytesIO`; it keeps nothing in
    memory. HDF5 crashes if its file raises, so errors are kept instead of raised.

    Args:
        file: The file.
        offset: The position at which the entry begins, in bytes.

    Attributes:
        error: The first error while writing; None if there was none.
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
        """Returns the size of the entry in bytes."""
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
        """Reads into a buffer; returns the number of bytes."""
        count = os.preadv(self._file.fileno(), [buffer], self._offset + self._position)
        self._position += count
        return count

    def truncate(self, size: int | None = None) -> int:
        """Cuts the entry off at a size; without one, at the present position."""
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
    """Yields a file to write; its content at the end of the block becomes an entry.

    Args:
        archive: The archive.
        file: Its file.
        name: The entry's name.

    Raises:
        OSError: If the file cannot be written, as on a full disk.
    """
    with archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as target:
        entry = Entry(file, file.tell())
        yield entry
        if entry.error is not None:
            raise entry.error
        # `zipfile` computes the checksum from the bytes in order: read them, and skip writing.
        entry.seek(0)
        piece = memoryview(bytearray(_PIECE))
        file.stands_already = True
        while count := entry.readinto(piece):
            target.write(piece[:count])
        file.stands_already = False
