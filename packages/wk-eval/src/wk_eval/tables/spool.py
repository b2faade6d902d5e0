"""Rows and pixels on the disk, in files without a name."""

import json
import tempfile
import threading
import weakref
from array import array
from collections.abc import Iterable, Sequence
from typing import IO, Any, Final

import numpy as np

from wk_eval.images import Pixels
from wk_eval.tables.wandb_internals import staging_directory

_SEPARATOR: Final = b", "
_PART: Final = 1 << 20


class RowFile:
    """Appends rows to a file, and reads single rows back.

    Each row takes eight bytes of memory, for its place in the file. One thread may append while
    others read.

    Args:
        directory: The directory of the file. The file is removed with this object.
    """

    def __init__(self, directory: str) -> None:
        self._file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        self._ends = array("Q")
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._ends)

    def extend(self, rows: Iterable[Sequence[Any]]) -> None:
        """Appends rows of cells that JSON can represent."""
        written, ends = bytearray(), array("Q")
        start = self._ends[-1] if self._ends else 0
        for row in rows:
            if start or written:
                written += _SEPARATOR
            written += json.dumps(row).encode()
            ends.append(start + len(written))
        with self._lock:
            self._file.seek(start)
            self._file.write(written)
            self._ends.extend(ends)

    def __getitem__(self, index: int) -> list[Any]:
        start = self._ends[index - 1] + len(_SEPARATOR) if index else 0
        row: list[Any] = json.loads(self._read(start, self._ends[index]))
        return row

    def copy_to(self, file: IO[bytes]) -> None:
        """Writes all rows to a file, as the inside of a JSON array."""
        position, end = 0, self._ends[-1] if self._ends else 0
        while position < end:
            part = self._read(position, min(position + _PART, end))
            file.write(part)
            position += len(part)

    def _read(self, start: int, end: int) -> bytes:
        with self._lock:
            self._file.seek(start)
            return self._file.read(end - start)


class PixelFile:
    """Keeps the pixels of images in a file until they are encoded.

    So memory does not grow with the images that wait. Writing pixels takes a small part of the time
    that encoding takes.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(dir=staging_directory())  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        self._lock = threading.Lock()
        self._end = 0
        self._waiting = 0

    @property
    def is_used(self) -> bool:
        """Whether any pixels have been written."""
        return self._end > 0

    def write(self, pixels: Pixels) -> int:
        """Writes pixels; returns their place in the file."""
        with self._lock:
            if not self._waiting:  # all have been read: begin again
                self._end = 0
            start = self._file.seek(self._end)
            self._file.write(np.ascontiguousarray(pixels).data)
            self._end += pixels.nbytes
            self._waiting += 1
        return start

    def read(self, start: int, shape: tuple[int, ...]) -> Pixels:
        """Returns pixels; to be called once for each place."""
        pixels = np.empty(shape, np.uint8)
        with self._lock:
            self._file.seek(start)
            self._file.readinto(pixels.data)
            self._waiting -= 1
        return pixels
