"""Pixels that wait, on the disk instead of in memory."""

import tempfile
import threading
import weakref

import numpy as np

from wk_eval.images import Pixels
from wk_eval.tables.wandb_internals import staging_directory


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
