"""The pixels that an image shows, wherever they are."""

import threading
from typing import Any, Final

import numpy as np
from PIL import Image as PILImage

from wk_core.data.arrays import as_array, is_tensor
from wk_eval.images import PixelRange, Pixels
from wk_eval.tables.spool import PixelFile

_PLAIN_MODES: Final = ("L", "LA", "RGB", "RGBA")  # a byte for each channel


class PixelSource:
    """What an image shows: pixels in memory or in a file, and once stored, where they are stored.

    Several images may share a source: an example with its true mask and with its predicted mask, or
    an example in the data table, which the background stores, and in the table of predictions,
    which the training thread fills. So each change holds a lock.

    Args:
        data: An array, a tensor or a Pillow image. None for pixels that are stored.
        mode: The Pillow mode of the picture. Defaults to the mode of the data.

    Attributes:
        json: The cell that describes the stored picture; None until it is stored.
        store: The `MediaStore` that has the picture, once it is stored.
    """

    def __init__(self, data: Any = None, mode: str | None = None) -> None:
        self._data = _copied(data)
        self._mode = mode
        self._place: tuple[PixelFile, int, tuple[int, ...]] | None = None
        self._lock = threading.Lock()
        self.json: dict[str, Any] | None = None
        self.store: Any = None

    def spool(self, file: PixelFile) -> None:
        """Moves the pixels from memory to a file, if they are bytes."""
        with self._lock:
            data = self._data
            if isinstance(data, np.ndarray) and data.dtype == np.uint8 and data.size:
                self._place = (file, file.write(data), data.shape)
                self._data = None

    def reduce(self, pixel_range: PixelRange) -> None:
        """Reduces the pixels to bytes.

        Args:
            pixel_range: The range of values of the images that these pixels belong to.
        """
        with self._lock:
            if is_tensor(self._data):
                self._data = pixel_range.to_bytes(self._data)

    def pixels(self) -> Pixels:
        """Returns the pixels as bytes, shape (height, width) or (height, width, 2 to 4)."""
        with self._lock:
            self._unspool()
            data = self._data
        if data is None:
            return np.asarray(self.store.open_picture(self.json))
        if is_tensor(data):
            data = PixelRange().to_bytes(data)
            if self._mode is None:
                return data
            data = PILImage.fromarray(data)
        mode = self._mode or (data.mode if data.mode in _PLAIN_MODES else "RGBA")
        picture = data.convert(mode)
        return np.asarray(picture if mode in _PLAIN_MODES else picture.convert("RGBA"))

    def mark_stored(self, store: Any, json: dict[str, Any]) -> None:
        """Drops the pixels, which `store` has from now on.

        Args:
            store: The `MediaStore`.
            json: The cell that describes the picture.
        """
        with self._lock:
            self._unspool()  # another table may have spooled them meanwhile
            self.store, self.json = store, json
            self._data = None

    def _unspool(self) -> None:
        """Moves the pixels back from the file to memory."""
        if self._place is not None:
            file, start, shape = self._place
            self._data, self._place = file.read(start, shape), None


def _copied(data: Any) -> Any:
    """Returns pixels that later changes of the original do not reach."""
    if isinstance(data, (PILImage.Image, np.ndarray)):
        return data.copy()
    if hasattr(data, "detach"):  # PyTorch, whose images have their channels first
        pixels = np.array(as_array(data))
        channels_first = pixels.ndim == 3 and pixels.shape[0] in (1, 3, 4)
        return np.moveaxis(pixels, 0, -1) if channels_first else pixels
    return data  # the tensors of TensorFlow and JAX do not change
