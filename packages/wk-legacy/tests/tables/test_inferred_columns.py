"""Which columns are inferred from an example, and what they hold."""

import numpy as np
import pytest
import wandb
from PIL import Image

from wk_legacy.images.rendering import ImageRenderer
from wk_legacy.tables.inferred_columns import Background, infer_cells

pytestmark = pytest.mark.backend_free

LABELS = ["a", "b", "c"]
PICTURE = np.random.default_rng(0).random((5, 6, 3))
SCORES = np.array([0.25, 0.5, 0.125])


def shares():
    return ImageRenderer(0.0, 1.0)


def cells(example, labels=None, background=None):
    inferred = infer_cells(example, shares, labels=labels, background=background)
    shown = None if background is None else background.example
    return {name: cell(example, shown) for name, cell in inferred.items()}


@pytest.mark.parametrize(
    ("example", "labels", "expected"),
    [
        (SCORES, LABELS, {"max_class": "b", "score": {"a": 0.25, "b": 0.5, "c": 0.125}}),
        (np.array([0, 0, 1]), LABELS, {"max_class": "c"}),
        (np.int64(1), LABELS, {"class": "b"}),
        (np.array([1]), LABELS, {"class": "b"}),
        (np.array([7]), LABELS, {"class": "7"}),
        (np.array([7]), None, {"val": 7}),
        (np.int32(7), None, {"val": 7}),
        (np.float32(0.5), LABELS, {}),
        (SCORES, None, {"node": [0.25, 0.5, 0.125], "argmax": 1, "argmin": 2}),
        (SCORES, LABELS[:2], {"node": [0.25, 0.5, 0.125], "argmax": 1, "argmin": 2}),
        (np.eye(4)[2], None, {"node": [0.0, 0.0, 1.0, 0.0], "argmax": 2}),
        (np.arange(11) % 7, None, {"argmax": 6, "argmin": 0}),
        (np.array([0.5]), None, {"node": [0.5], "argmax": 0, "argmin": 0}),
        (np.array([]), None, {}),
        (np.array("text"), LABELS, {}),
        (np.array(["some", "text"], object), LABELS, {}),
        (np.zeros((3, 5, 6, 2)), None, {}),
        (np.zeros((5, 6, 2)), LABELS, {}),
    ],
)
def test_values(example, labels, expected):
    assert cells(example, labels) == expected


@pytest.mark.parametrize(
    ("example", "shown"),
    [
        (PICTURE, PICTURE),
        (np.moveaxis(PICTURE, -1, 0), PICTURE),
        (PICTURE[..., 0], PICTURE[..., 0]),
        (PICTURE[..., :1], PICTURE[..., 0]),
    ],
)
def test_images(example, shown):
    inferred = cells(example, LABELS)
    assert set(inferred) == {"image"}
    assert (np.asarray(inferred["image"].image) == (shown * 255 + 0.5).astype("uint8")).all()


@pytest.mark.parametrize(
    ("example", "labels", "is_mask"),
    [
        (np.arange(30).reshape(5, 6) % 3, LABELS, True),
        (np.arange(30).reshape(5, 6) % 3, None, False),
        (np.arange(30).reshape(5, 6) % 4, LABELS, False),
        (np.arange(30).reshape(6, 5) % 3, LABELS, False),
        (PICTURE[..., 0], LABELS, False),
        (PICTURE, LABELS, False),
        (np.eye(5)[np.arange(30).reshape(5, 6) % 5], [*"abcde"], True),
    ],
)
def test_masks_are_shown_over_the_input(example, labels, is_mask):
    inferred = cells(example, labels, Background(PICTURE, shares))
    assert set(inferred) == {"image"}
    image = inferred["image"]
    assert bool(image._masks) == is_mask
    if is_mask:
        assert (np.asarray(image.image) == (PICTURE * 255 + 0.5).astype("uint8")).all()


def test_videos():
    frames = np.stack([PICTURE, PICTURE[::-1], PICTURE])
    inferred = cells(frames)
    assert set(inferred) == {"video"}
    assert isinstance(inferred["video"], wandb.Video)
    with Image.open(inferred["video"]._path) as animation:
        assert animation.n_frames == 3
        assert animation.size == (6, 5)
