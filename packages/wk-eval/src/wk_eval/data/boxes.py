"""Bounding boxes with their classes and scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from wk_core.data.arrays import as_array, describe

Floats = npt.NDArray[np.float64]

BoxFormat = Literal[
    "xyxy",
    "yxyx",
    "xywh",
    "center_xywh",
    "center_yxhw",
    "rel_xyxy",
    "rel_yxyx",
    "rel_xywh",
    "rel_center_xywh",
]
"""Formats of boxes under Keras' names; with `rel_`, as shares of the picture's size."""

BOX_FORMATS: Final[Sequence[str]] = get_args(BoxFormat)

# The usual names, in the outputs of models and in data sets.
_LABELS: Final = ("labels", "classes")
_SCORES: Final = ("scores", "confidence")


@dataclass(frozen=True)
class Boxes:
    """The boxes of one picture.

    Attributes:
        corners: Shape (boxes, 4): left, top, right, bottom, in pixels.
        classes: Shape (boxes,): the numbers of their classes.
        scores: Shape (boxes,): the model's confidence; 1 for true boxes.
    """

    corners: Floats
    classes: npt.NDArray[np.intp]
    scores: Floats

    def __len__(self) -> int:
        return len(self.classes)

    def chosen(self, which: npt.NDArray[Any]) -> "Boxes":
        """Returns some of the boxes, chosen by index or by a mask."""
        return Boxes(self.corners[which], self.classes[which], self.scores[which])

    def overlaps(self, other: "Boxes") -> Floats:
        """Returns intersection over union with other boxes, shape (boxes, other boxes)."""
        one, two = self.corners[:, None], other.corners[None]
        sides = np.minimum(one[..., 2:], two[..., 2:]) - np.maximum(one[..., :2], two[..., :2])
        shared = np.clip(sides, 0, None).prod(axis=-1)
        union = _areas(one) + _areas(two) - shared
        overlaps: Floats = np.divide(shared, union, out=np.zeros(shared.shape), where=union > 0)
        return overlaps


def checked_boxes(described: Any, what: str, *, scores: bool) -> Mapping[str, Any]:
    """Returns a dictionary of boxes after checking its keys.

    Args:
        described: `boxes`, shape (n, boxes, 4), `labels` or `classes`, shape (n, boxes), and
            `scores` or `confidence`, shape (n, boxes).
        what: Their name in the error.
        scores: Whether scores are required.

    Raises:
        ValueError: If a key is missing.
    """
    needed = [("boxes",), _LABELS, *([_SCORES] if scores else [])]
    if not isinstance(described, Mapping) or not all(
        any(key in described for key in keys) for keys in needed
    ):
        keys = ", ".join(" or ".join(map(repr, keys)) for keys in needed)
        raise ValueError(
            f"{what} must be a dictionary with {keys}. Received: {describe(described)}; turn "
            "other outputs into one with `decode`"
        )
    return described


def boxes_of(
    described: Mapping[str, Any], number: int, *, box_format: str, size: tuple[int, int]
) -> Boxes:
    """Returns the boxes of one picture.

    Args:
        described: A dictionary that `checked_boxes` has returned. Padding has the class -1, or
            comes after `num_detections` boxes.
        number: The index of the picture.
        box_format: The format of the boxes.
        size: The picture's height and width in pixels.
    """
    corners = _corners(_rows(described["boxes"][number], 4), box_format, size)
    classes = _rows(_first_of(described, _LABELS)[number], 1)[:, 0]
    scores = _first_of(described, _SCORES)
    values = np.ones(len(classes)) if scores is None else _rows(scores[number], 1)[:, 0]
    used = (classes >= 0) & np.isfinite(corners).all(axis=-1) & np.isfinite(values)
    if "num_detections" in described:
        used[int(np.asarray(described["num_detections"][number])) :] = False
    return Boxes(corners, classes.astype(np.intp), values).chosen(used)


def wandb_boxes(boxes: Boxes, labels: Sequence[str], *, with_scores: bool) -> list[dict[str, Any]]:
    """Returns boxes as W&B stores them."""
    described = []
    for (left, top, right, bottom), number, score in zip(
        boxes.corners.tolist(), boxes.classes.tolist(), boxes.scores.tolist(), strict=True
    ):
        caption = f"{labels[number]} {score:.2f}" if with_scores else labels[number]
        box = {
            "position": {"minX": left, "minY": top, "maxX": right, "maxY": bottom},
            "domain": "pixel",
            "class_id": number,
            "box_caption": caption,
        }
        described.append({**box, "scores": {"score": score}} if with_scores else box)
    return described


def _first_of(described: Mapping[str, Any], keys: Sequence[str]) -> Any:
    return next((described[key] for key in keys if key in described), None)


def _rows(values: Any, width: int) -> Floats:
    return np.asarray(as_array(values), np.float64).reshape(-1, width)


def _areas(corners: Floats) -> Floats:
    areas: Floats = np.clip(corners[..., 2:] - corners[..., :2], 0, None).prod(axis=-1)
    return areas


def _corners(boxes: Floats, box_format: str, size: tuple[int, int]) -> Floats:
    """Returns left, top, right and bottom, in pixels."""
    kind = box_format.removeprefix("rel_")
    if kind in ("yxyx", "center_yxhw"):
        boxes = boxes[:, [1, 0, 3, 2]]
    if kind.startswith("center_"):
        boxes = np.concatenate(
            [boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], 1
        )
    elif kind == "xywh":
        boxes = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    height, width = size
    return boxes * [width, height, width, height] if box_format.startswith("rel_") else boxes
