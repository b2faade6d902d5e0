"""Masks: a class number for each pixel."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from wk_eval.images import Pixels

NO_CLASS: Final = 255
"""The class of a pixel whose scores are not finite."""


def masks_of_targets(targets: npt.NDArray[Any], classes: int) -> npt.NDArray[Any]:
    """Returns masks of class numbers, shape (n, height, width).

    Args:
        targets: Shape (n, height, width), (n, height, width, 1) or (n, height, width, classes).
        classes: The number of classes.
    """
    if targets.ndim == 4 and targets.shape[-1] == 1:
        return targets[..., 0]
    if targets.ndim == 4 and targets.shape[-1] == classes:
        return np.asarray(targets.argmax(axis=-1))
    return targets


def masks_of_outputs(outputs: npt.NDArray[Any], *, from_logits: bool) -> Pixels:
    """Returns masks of class numbers, shape (n, height, width), for a model's outputs.

    Args:
        outputs: Scores of the classes, shape (n, height, width, classes), or of the second of
            two, shape (n, height, width, 1) or (n, height, width).
        from_logits: With one score for two classes, whether the score is a logit.
    """
    scores = outputs[..., None] if outputs.ndim == 3 else outputs
    known = np.isfinite(scores).all(axis=-1)
    if scores.shape[-1] == 1:
        numbers = scores[..., 0] > (0.0 if from_logits else 0.5)
    else:
        numbers = scores.argmax(axis=-1)
    return np.where(known, numbers, NO_CLASS).astype(np.uint8)
