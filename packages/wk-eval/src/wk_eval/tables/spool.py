"""Rows of a table, in a file."""

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
    """Appends rows to a file without a name and reads single ones back.

    In memory each takes eight bytes, for its place in the file. One thread may append while
    others read.

    Args:
        directory: Where the file lies; it is gone with this object.
    """

    def __init__(self, directory: str) -> None:
        self._file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        self._ends = array("Q")
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._ends)

    def extend(self, rows: Iterable[Sequence[Any]]) -> None:
        """Appends rows, whose cells JSON must take."""
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
    """Holds the pixels of images until they are encoded.

    Whoever adds images to a table need not wait for that, and memory does not grow meanwhile: to
    write pixels down takes a small part of the time that their encoding takes.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(dir=staging_directory())  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        self._lock = threading.Lock()
        self._end = 0
        self._waiting = 0

    @property
    def is_used(self) -> bool:
        """Whether there have been any pixels."""
        return self._end > 0

    def write(self, pixels: Pixels) -> int:
        """Writes pixels down; returns where they are."""
        with self._lock:
            if not self._waiting:  # all have been taken: begin again
                self._end = 0
            start = self._file.seek(self._end)
            self._file.write(np.ascontiguousarray(pixels).data)
            self._end += pixels.nbytes
            self._waiting += 1
        return start

    def read(self, start: int, shape: tuple[int, ...]) -> Pixels:
        """Returns pixels, for the one time that they are needed."""
        pixels = np.empty(shape, np.uint8)
        with self._lock:
            self._file.seek(start)
            self._file.readinto(pixels.data)
            self._waiting -= 1
        return pixels
