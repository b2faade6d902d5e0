"""The kinds of data that an array can hold: labels, images or masks."""

from collections.abc import Sequence
from typing import Any, Final, Literal, TypeAlias

from wk_core.arguments import check_choice

Kind: TypeAlias = Literal["label", "image", "images", "segmentation_mask"]
"""A kind of data; `image` and `images` mean the same."""

_KINDS: Final[Sequence[Kind]] = ("image", "images", "segmentation_mask", "label")
_CHANNELS: Final = (1, 3, 4)


def checked_kind(argument: str, kind: Any) -> Kind | None:
    """Returns a kind, or None if it is to be inferred.

    Args:
        argument: The argument's name, for the error.
        kind: A kind, None or `"auto"`.

    Raises:
        ValueError: If it is anything else.
    """
    if kind is None or kind == "auto":
        return None
    return check_choice(kind, argument, _KINDS, or_else="None to infer it")


def infer_kind(shape: Sequence[int]) -> Kind | None:
    """Returns the kind of data that an array of this shape most likely holds.

    Args:
        shape: The array's shape, examples first and channels last.

    Returns:
        A label for one or two axes, an image for three. For four an image if there are 1, 3 or 4
        channels, else a mask. None for more.
    """
    if len(shape) <= 2:
        return "label"
    if len(shape) == 3:
        return "image"
    if len(shape) == 4:
        return "image" if shape[-1] in _CHANNELS else "segmentation_mask"
    return None


def is_image(kind: Kind | None) -> bool:
    """Returns whether data of a kind can be shown as images."""
    return kind is not None and kind != "label"
