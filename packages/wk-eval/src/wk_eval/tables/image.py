"""Images that are encoded when they are stored, not when they are made."""

import contextlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import wandb
from PIL import Image as PILImage

from wk_core.data.arrays import as_array, is_tensor
from wk_eval.images import PixelRange
from wk_eval.tables.pixel_source import PixelSource
from wk_eval.tables.wandb_internals import LazyImage, are_images_lazy, images_made_as

_OWN_DETAILS: Final = ("wb_type", "extra", "class_masks")
_PICTURE_KEYS: Final = ("_type", "format", "height", "path", "sha256", "width")


class TableImage(LazyImage):
    """A `wandb.Image` that the tables of this package encode once, behind the training.

    `table_image` makes one, and so does `wandb.Image(array)` within `deferred_images()`. Tables
    return one for a picture that they have stored. In any other place it becomes an ordinary image
    when it is first used.

    Attributes:
        content: What the image shows.
        wb_type: The image's type, as wandb knows types; None where wandb can find it.
        extra: Boxes, masks and classes that are stored already, as JSON.
        class_masks: Masks that are not stored yet, as PNG files, by layer.
    """

    content: PixelSource
    wb_type: Any = None
    extra: dict[str, Any] | None = None
    class_masks: Mapping[str, bytes] = MappingProxyType({})

    @classmethod
    def holding(cls, content: PixelSource) -> "TableImage":
        """Returns an image of `content`."""
        image: TableImage = cls.blank()
        image.content = content
        return image

    @classmethod
    def stored(cls, store: Any, json: dict[str, Any], wb_type: Any) -> "TableImage":
        """Returns the image that a stored cell describes.

        Args:
            store: The `MediaStore` that has the picture.
            json: The cell.
            wb_type: The type of the images in the cell's column.
        """
        image = cls.holding(PixelSource())
        image.content.mark_stored(store, {key: json[key] for key in _PICTURE_KEYS})
        size = (json["width"], json["height"])
        image.describe(caption=json.get("caption"), grouping=json.get("grouping"), size=size)
        image.wb_type = wb_type
        image.extra = {key: json[key] for key in ("classes", "boxes", "masks") if key in json}
        return image

    @classmethod
    def taken_from(cls, image: wandb.Image) -> "TableImage | None":
        """Returns a new image of the same content; None if `image` has none.

        The given image may become an ordinary one at any time, in the thread that uses it.
        """
        own = vars(image)
        if "content" not in own:
            return None
        taken = cls.holding(own["content"])
        taken.copy_details(image)
        vars(taken).update({key: own[key] for key in _OWN_DETAILS if key in own})
        return taken

    @classmethod
    def accepts(cls, data: Any) -> bool:
        """Returns whether `data` is an array, a tensor, a picture, or an image with content."""
        if isinstance(data, wandb.Image):
            return vars(data).get("content") is not None
        return isinstance(data, PILImage.Image) or is_tensor(data)

    def keep(self, data: Any, mode: str | None) -> None:
        """Keeps the pixels of `data`, or shares the content of an image."""
        is_image = isinstance(data, wandb.Image)
        self.content = vars(data)["content"] if is_image else PixelSource(data, mode)

    def picture(self) -> PILImage.Image:
        """Returns what the image shows, as a Pillow image."""
        return PILImage.fromarray(self.content.pixels())

    def bind_to_run(self, *args: Any, **kwargs: Any) -> None:
        """Becomes an ordinary image, which a run keeps in its own files."""
        self.become_ordinary().bind_to_run(*args, **kwargs)

    def to_json(self, run_or_artifact: Any) -> dict[str, Any]:
        """Describes a stored image as a reference; becomes an ordinary one where it cannot."""
        content = self.content
        if isinstance(run_or_artifact, wandb.Artifact) and content.json is not None:
            stored: dict[str, Any] = {**content.json, **(self.extra or {})}
            if content.store.share_with(stored, run_or_artifact):
                return stored
        described: dict[str, Any] = self.become_ordinary().to_json(run_or_artifact)
        return described

    @property
    def image(self) -> PILImage.Image | None:
        """The picture, as a Pillow image."""
        return None if self.is_new else self.become_ordinary().image


def table_image(data: Any, **arguments: Any) -> wandb.Image:
    """Returns an image for a table, which is encoded when the table stores it.

    Args:
        data: An array or tensor of any usual range of values, as `PixelRange.to_bytes` describes
            it, a Pillow image, or an image that a table has returned. Anything else goes on to
            `wandb.Image`.
        **arguments: The other arguments of `wandb.Image`. An image with a `file_type` other than
            `"png"` is encoded at once, and so is one with `normalize=False`, which wandb up to 0.28
            takes: its values are left as they are.

    Raises:
        ValueError: When the image is added to a table, if the data cannot be an image.
    """
    is_png = arguments.get("file_type") in (None, "png")
    scales = arguments.get("normalize", True)
    if is_png and scales and are_images_lazy() and TableImage.accepts(data):
        return TableImage(data, **arguments)
    if scales and is_tensor(data):  # wandb cuts floats down to whole numbers
        data = PILImage.fromarray(PixelRange().to_bytes(as_array(data)))
    return wandb.Image(data, **arguments)


def deferred_images() -> contextlib.AbstractContextManager[None]:
    """Makes `wandb.Image(array)` the same as `table_image(array)`, in this thread, for the block.

    wandb's constructor encodes, writes and hashes a PNG file at once, and cuts floats in [0, 1]
    down to 0 and 1. Other threads, and arguments that are neither arrays, tensors nor pictures, get
    what wandb makes.
    """
    return images_made_as(TableImage)
