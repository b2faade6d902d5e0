"""Pixels of any range of values as bytes, and bytes as PNG files."""

import struct
import zlib
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from wk_core.data.arrays import as_array

Pixels = npt.NDArray[np.uint8]

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_LEFT_FILTER: Final = 1
_COLOUR_TYPES: Final = {1: 0, 2: 4, 3: 2, 4: 6}  # by the number of channels
_COMPRESSION: Final = 1  # the fastest
_FLOAT_RANGES: Final = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))


class PixelRange:
    """The range of values of the images of one source, as a column or a data set.

    The range grows with each image and never narrows, so images of one source look alike. Floats
    have the first range that fits: [0, 1], [-1, 1] or [0, 255]. If none fits, each image is
    stretched from its darkest to its brightest value. Integers have [0, 255] or [0, 65535].
    """

    def __init__(self) -> None:
        self._low = 0.0
        self._high = 0.0

    def look_at(self, images: npt.NDArray[Any]) -> None:
        """Widens the range to many images at once, so that the first looks like the last."""
        if images.size and images.dtype.kind in "iuf":
            self._see(float(images.min()), float(images.max()))

    def bounds(self, dtype: np.dtype[Any]) -> tuple[float, float] | None:
        """Returns the values of black and white; None if no usual range fits.

        Args:
            dtype: The type of the images.
        """
        if dtype.kind == "b":
            return 0.0, 1.0
        if dtype.kind in "iu":
            return 0.0, 255.0 if self._high <= 255 else 65535.0
        for bottom, top in _FLOAT_RANGES:
            if bottom <= self._low and self._high <= top:
                return bottom, top
        return None

    def to_bytes(self, image: Any) -> Pixels:
        """Returns an image's pixels as bytes.

        Args:
            image: Booleans, integers from 0 to 65535, or floats. Shape (height, width), or (height,
                width, channels) with 1, 3 or 4 channels. The first axis has the channels if the
                last cannot have them. Leading axes of length 1 are dropped.

        Returns:
            Shape (height, width) or (height, width, 3 or 4). It may share memory with the image.

        Raises:
            ValueError: If shape or values are not as above.
        """
        pixels = _channels_last(as_array(image))
        kind = pixels.dtype.kind
        if pixels.dtype == np.uint8:
            return pixels
        if kind == "b":
            return pixels.astype(np.uint8) * 255
        if kind in "iu":
            return self._integers_to_bytes(pixels)
        if kind == "f" or pixels.dtype.name == "bfloat16":
            return self._floats_to_bytes(pixels.astype(np.float32, copy=False))
        raise ValueError(
            f"An image needs booleans, integers or floats. Received: dtype={pixels.dtype}"
        )

    def _floats_to_bytes(self, pixels: npt.NDArray[np.float32]) -> Pixels:
        low, high = float(pixels.min()), float(pixels.max())
        if not np.isfinite(low + high):
            raise ValueError(
                f"An image needs finite values. Received: values from {low!r} to {high!r}"
            )
        self._see(low, high)
        low, high = self.bounds(pixels.dtype) or (low, high)
        scaled = (pixels - low) * (255.0 / ((high - low) or 1.0))
        return (scaled + 0.5).astype(np.uint8)

    def _integers_to_bytes(self, pixels: npt.NDArray[Any]) -> Pixels:
        low, high = int(pixels.min()), int(pixels.max())
        if low < 0 or high > 65535:
            raise ValueError(
                "An image of integers needs values from 0 to 255, or to 65535. Received: "
                f"dtype={pixels.dtype} with values from {low} to {high}"
            )
        self._see(low, high)
        return (pixels if self._high <= 255 else pixels // 257).astype(np.uint8)

    def _see(self, low: float, high: float) -> None:
        self._low, self._high = min(low, self._low), max(high, self._high)


def encode_png(pixels: Pixels) -> bytes:
    """Returns pixels as the bytes of a PNG file.

    Pillow's encoder tries five filters on each row, and holds the interpreter's lock. One filter,
    the difference to the pixel on the left, makes files of nearly the same size several times as
    fast, and zlib releases the lock. Only runs of one value are compressed: among the differences
    of photos, a search for other repetitions finds few and takes about twice as long.

    Args:
        pixels: Shape (height, width) or (height, width, 2 to 4).
    """
    height, width = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    rows = pixels.reshape(height, width * channels)
    filtered = np.empty((height, 1 + rows.shape[1]), np.uint8)
    filtered[:, 0] = _LEFT_FILTER
    filtered[:, 1 : 1 + channels] = rows[:, :channels]
    np.subtract(rows[:, channels:], rows[:, :-channels], out=filtered[:, 1 + channels :])
    header = struct.pack(">2I5B", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    compressor = zlib.compressobj(_COMPRESSION, strategy=zlib.Z_RLE)
    data = compressor.compress(filtered.data) + compressor.flush()
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(kind, content) for kind, content in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    checked = kind + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))


def _channels_last(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    pixels = image
    while pixels.ndim > 3 and pixels.shape[0] == 1:
        pixels = pixels[0]
    if pixels.ndim == 3 and pixels.shape[-1] not in (1, 3, 4) and pixels.shape[0] in (1, 3, 4):
        pixels = np.moveaxis(pixels, 0, -1)
    if pixels.ndim == 3 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    if pixels.size == 0 or not (
        pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[-1] in (3, 4))
    ):
        raise ValueError(
            "An image needs the shape (height, width), or with 1, 3 or 4 channels as its last or "
            f"its first axis. Received: shape={image.shape}"
        )
    return pixels
