"""Images that are encoded when they are stored, not when they are made."""

import threading
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final

import numpy as np
import wandb
from PIL import Image as PILImage
from wandb.sdk.data_types import _dtypes
from wandb.sdk.data_types.base_types.wb_value import WBValue
from wandb.sdk.data_types.image import _ImageFileType

from wk_eval.arrays import as_array, is_tensor
from wk_eval.images import PixelRange, Pixels
from wk_eval.tables.spool import PixelFile

_PLAIN_MODES: Final = ("L", "LA", "RGB", "RGBA")  # a byte for each channel
_KEPT_ATTRIBUTES: Final = (
    *("_caption", "_grouping", "_width", "_height", "_classes", "_boxes", "_masks"),
    *("wb_type", "extra", "class_masks"),
)
_PICTURE_KEYS: Final = ("_type", "format", "height", "path", "sha256", "width")


class PixelSource:
    """What an image shows: pixels, until they are stored, then the JSON that says where.

    Several images may share one, as a picture with the true mask and the same with a predicted one,
    or an example in the table of data, which is being stored, and in that of predictions, which is
    being filled. So each step is one that no other thread comes between.
    """

    def __init__(self, data: Any = None, mode: str | None = None) -> None:
        self._data = _own(data)
        self._mode = mode
        self._place: tuple[PixelFile, int, tuple[int, ...]] | None = None
        self._lock = threading.Lock()
        self.json: dict[str, Any] | None = None
        self.store: Any = None

    def spool(self, file: PixelFile) -> None:
        """Has the pixels wait in a file, where they are bytes already."""
        with self._lock:
            data = self._data
            if isinstance(data, np.ndarray) and data.dtype == np.uint8 and data.size:
                self._place = (file, file.write(data), data.shape)
                self._data = None

    def reduce(self, pixel_range: PixelRange) -> None:
        """Reduces the pixels to bytes, given the range of values of the images they belong to."""
        with self._lock:
            if is_tensor(self._data):
                self._data = pixel_range.to_bytes(self._data)

    def pixels(self) -> Pixels:
        """Returns the pixels as bytes."""
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
        """Lets go of the pixels, which have been stored."""
        with self._lock:
            self._unspool()  # another table may have put them down meanwhile
            self.store, self.json = store, json
            self._data = None

    def _unspool(self) -> None:
        """Takes the pixels back from the file."""
        if self._place is not None:
            file, start, shape = self._place
            self._data, self._place = file.read(start, shape), None


class LazyValue:
    """An attribute of ordinary images, at whose reading an image becomes one."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, image: "TableImage", owner: type | None = None) -> Any:
        return None if image._is_new else getattr(image.become_ordinary(), self._name)

    def __set__(self, image: "TableImage", value: Any) -> None:
        vars(image)[self._name] = value


class TableImage(wandb.Image):
    """A `wandb.Image` that a table of this package encodes behind the training, once.

    `wandb.Image(array)` itself makes one during a `Deferral`; tables return them for stored
    pictures. Used in any other place it becomes an ordinary image at the first touch.
    """

    # Were it inherited, wandb would read every picture of an artifact as one of these.
    _log_type: ClassVar[str | None] = None  # type: ignore[assignment]

    content: PixelSource
    wb_type: _dtypes.Type | None = None  # where it cannot be told from what follows
    extra: dict[str, Any] | None = None  # boxes, masks and classes that are stored already
    class_masks: Mapping[str, bytes] = MappingProxyType({})  # masks that are not, as PNG files
    _is_new = False
    _path = LazyValue()
    _is_tmp = LazyValue()
    _extension = LazyValue()
    _sha256 = LazyValue()
    _size = LazyValue()

    @classmethod
    def holding(cls, content: PixelSource) -> "TableImage":
        """Returns an image of a content."""
        image = cls.__new__(cls)
        WBValue.__init__(image)
        image.content = content
        image._caption = image._grouping = image._width = image._height = None
        image._classes = image._boxes = image._masks = image._image = image._run = None
        image.format, image._file_type = "png", None
        return image

    @classmethod
    def stored(cls, store: Any, json: dict[str, Any], wb_type: _dtypes.Type | None) -> "TableImage":
        """Returns the image that a stored cell describes."""
        image = cls.holding(PixelSource())
        image.content.mark_stored(store, {key: json[key] for key in _PICTURE_KEYS})
        image._caption, image._grouping = json.get("caption"), json.get("grouping")
        image._width, image._height = json["width"], json["height"]
        image.wb_type = wb_type
        image.extra = {key: json[key] for key in ("classes", "boxes", "masks") if key in json}
        return image

    @classmethod
    def taken_from(cls, image: wandb.Image) -> "TableImage | None":
        """Returns an image of the same content, which is nobody else's; None if it has no content.

        Whoever has the other one may make it an ordinary image at any time, in another thread.
        """
        if "content" not in vars(image):
            return None
        taken = cls.holding(vars(image)["content"])
        vars(taken).update(
            {key: value for key, value in vars(image).items() if key in _KEPT_ATTRIBUTES}
        )
        return taken

    def become_ordinary(self) -> wandb.Image:
        """Turns into an image that wandb itself would have made; returns it."""
        if type(self) is TableImage:
            picture = PILImage.fromarray(self.content.pixels())
            self._width, self._height = picture.size
            self.__class__ = wandb.Image  # type: ignore[assignment]
            _initialize_from_data(self, picture)
        return self

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
        return None if self._is_new else self.become_ordinary().image

    def _set_initialization_meta(self, *args: Any, **kwargs: Any) -> None:
        self._is_new = True
        super()._set_initialization_meta(*args, **kwargs)
        self._is_new = False

    def _free_ram(self) -> None:
        pass


# wandb looks up a cell's type by its exact class.
_dtypes.TypeRegistry.types_by_class()[TableImage] = _ImageFileType  # type: ignore[no-untyped-call]


class Deferral:
    """Has `wandb.Image(...)` make images for a table, in the thread that started it.

    wandb's constructor encodes, writes and hashes a PNG file on the spot, and cuts floats in
    [0, 1] down to the integers 0 and 1. In between `start` and `stop` the constructor only takes
    the pixels of an array, a tensor or a Pillow image; other arguments go on to wandb.
    """

    def __init__(self) -> None:
        self._thread: int | None = None

    def start(self) -> None:
        """Begins, in this thread; does nothing where it has begun."""
        if self._thread is None:
            self._thread = threading.get_ident()
            with _lock:
                _deferring.append(self._thread)
                wandb.Image._initialize_from_data = _take_data  # type: ignore[method-assign]
                wandb.Image._initialize_from_wbimage = _take_image  # type: ignore[method-assign, assignment]

    def stop(self) -> None:
        """Ends; does nothing where it has ended."""
        if self._thread is not None:
            with _lock:
                _deferring.remove(self._thread)
                if not _deferring:
                    wandb.Image._initialize_from_data = _initialize_from_data  # type: ignore[method-assign]
                    wandb.Image._initialize_from_wbimage = _initialize_from_image  # type: ignore[method-assign]
            self._thread = None


_initialize_from_data: Final = wandb.Image._initialize_from_data
_initialize_from_image: Final = wandb.Image._initialize_from_wbimage
_lock: Final = threading.Lock()
_deferring: Final[list[int]] = []  # threads, once for each deferral that has begun in them


def _take_data(
    self: wandb.Image, data: Any, mode: str | None = None, file_type: str | None = None
) -> None:
    takes = isinstance(data, PILImage.Image) or is_tensor(data)
    if file_type in (None, "png") and takes and threading.get_ident() in _deferring:
        self.__class__ = TableImage
        self.content = PixelSource(data, mode)  # type: ignore[attr-defined]
        self.format = "png"
    else:
        _initialize_from_data(self, data, mode, file_type)


def _take_image(self: wandb.Image, image: wandb.Image) -> None:
    content = vars(image).get("content")
    if content is not None and threading.get_ident() in _deferring:
        self.__class__ = TableImage
        self.content = content  # type: ignore[attr-defined]
        self.format = "png"
        self._caption, self._grouping = image._caption, image._grouping
        self._width, self._height = image._width, image._height
        self._classes = image._classes
    else:
        _initialize_from_image(self, image)


def _own(data: Any) -> Any:
    """Returns pixels that later changes of the original do not reach."""
    if isinstance(data, PILImage.Image):
        return data.copy()
    if isinstance(data, np.ndarray):
        return data.copy()
    if hasattr(data, "detach"):  # PyTorch, whose images have their channels first
        pixels = np.array(as_array(data))
        channels_first = pixels.ndim == 3 and pixels.shape[0] in (1, 3, 4)
        return np.moveaxis(pixels, 0, -1) if channels_first else pixels
    return data  # the tensors of TensorFlow and JAX do not change
