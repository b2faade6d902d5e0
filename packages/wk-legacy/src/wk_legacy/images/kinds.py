"""What an array of the data shows: labels, images or masks."""

from collections.abc import Sequence
from typing import Any, Final, Literal, TypeAlias

Kind: TypeAlias = Literal["label", "image", "images", "segmentation_mask"]
"""A kind of data; `image` and `images` are one."""

_KINDS: Final[Sequence[Kind]] = ("image", "images", "segmentation_mask", "label")
_CHANNELS: Final = (1, 3, 4)


def checked_kind(argument: str, kind: Any) -> Kind | None:
    """Returns a kind, or None where it is to be guessed.

    Args:
        argument: The argument's name, for the error.
        kind: A kind, None or `"auto"`.

    Raises:
        ValueError: If it is none of these.
    """
    if kind is None or kind == "auto":
        return None
    for known in _KINDS:
        if kind == known:
            return known
    raise ValueError(
        f"`{argument}` must be one of {list(_KINDS)}, or None to have it guessed. Received: "
        f"{argument}={kind!r}"
    )


def guessed_kind(shape: Sequence[int]) -> Kind | None:
    """Returns the kind of data that an array seems to hold.

    Args:
        shape: The array's shape, with the axis of the examples, and with the channels last.

    Returns:
        A label for one or two axes, an image for three. For four it is an image if it has 1, 3 or
        4 channels, else a mask. None for more.
    """
    if len(shape) <= 2:
        return "label"
    if len(shape) == 3:
        return "image"
    if len(shape) == 4:
        return "image" if shape[-1] in _CHANNELS else "segmentation_mask"
    return None


def is_picture(kind: Kind | None) -> bool:
    """Tells whether data of a kind can be shown as pictures."""
    return kind is not None and kind != "label"
