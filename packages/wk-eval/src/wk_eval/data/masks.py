"""Masks: a class number for each pixel."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image as PILImage

from wk_eval.images import Pixels

NO_CLASS: Final = 255
"""The number of a pixel for which the model put out no number."""

# Colours that can be told apart, for the first classes; further ones begin again.
_COLOURS: Final = np.array(
    [
        (0, 0, 0),
        (228, 26, 28),
        (55, 126, 184),
        (77, 175, 74),
        (152, 78, 163),
        (255, 127, 0),
        (255, 255, 51),
        (166, 86, 40),
        (247, 129, 191),
        (153, 153, 153),
    ],
    np.uint8,
)
_SHADE: Final = 0.5


def masks_of_targets(targets: npt.NDArray[Any], classes: int) -> npt.NDArray[Any]:
    """Returns masks, shape (n, height, width), for one-hot ones or ones with a last axis of 1.

    Args:
        targets: Shape (n, height, width), (n, height, width, 1) or (n, height, width, classes).
        classes: How many classes there are.
    """
    if targets.ndim == 4 and targets.shape[-1] == 1:
        return targets[..., 0]
    if targets.ndim == 4 and targets.shape[-1] == classes:
        return np.asarray(targets.argmax(axis=-1))
    return targets


def masks_of_outputs(outputs: npt.NDArray[Any], *, from_logits: bool) -> Pixels:
    """Returns masks, shape (n, height, width), for what a model puts out.

    Args:
        outputs: Scores of the classes, shape (n, height, width, classes), or of the second of
            two, shape (n, height, width, 1) or (n, height, width).
        from_logits: Whether the one score of two classes is a logit.
    """
    scores = outputs[..., None] if outputs.ndim == 3 else outputs
    known = np.isfinite(scores).all(axis=-1)
    if scores.shape[-1] == 1:
        numbers = scores[..., 0] > (0.0 if from_logits else 0.5)
    else:
        numbers = scores.argmax(axis=-1)
    return np.where(known, numbers, NO_CLASS).astype(np.uint8)


def painted(picture: PILImage.Image, mask: Pixels) -> PILImage.Image:
    """Returns a picture with the classes of its pixels in colours; class 0 stays as it is.

    Args:
        picture: The picture, of any size.
        mask: Shape (height, width).
    """
    colours = _COLOURS[np.where(mask == 0, 0, (mask - 1) % (len(_COLOURS) - 1) + 1)]
    size = (mask.shape[1], mask.shape[0])
    shown = np.asarray(picture.convert("RGB").resize(size))
    mixed = np.where((mask == 0)[..., None], shown, (1 - _SHADE) * shown + _SHADE * colours)
    return PILImage.fromarray(mixed.astype(np.uint8))
