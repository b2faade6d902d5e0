"""Pixels become bytes, and bytes PNG files."""

import io

import numpy as np
import pytest
from PIL import Image

from wk_eval.images import PixelRange, encode_png


@pytest.mark.backend_free
@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 3), (5, 4, 4), (1, 1), (1, 7, 3)])
def test_png_is_what_pillow_reads(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype="uint8")
    with Image.open(io.BytesIO(encode_png(pixels))) as picture:
        picture.verify()
    with Image.open(io.BytesIO(encode_png(pixels))) as picture:
        assert (np.asarray(picture) == pixels).all()


@pytest.mark.backend_free
def test_range_never_narrows():
    pixel_range = PixelRange()
    assert pixel_range.to_bytes(np.array([[0.0, 1.0]])).tolist() == [[0, 255]]
    assert pixel_range.to_bytes(np.array([[-1.0, 1.0]])).tolist() == [[0, 255]]
    assert pixel_range.to_bytes(np.array([[0.0, 1.0]])).tolist() == [[128, 255]]
    assert pixel_range.to_bytes(np.array([[0.0, 255.0]])).tolist() == [[0, 255]]
