"""Everything private of wandb that tables stand on; no other module of this package touches it.

Each function says what it stands on, and what is lost with a wandb that lacks it. Such a loss costs
a feature, which is said once, never an import: private modules are imported on use.
"""

import base64
import contextlib
import functools
import hashlib
import importlib
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, ClassVar, Final

import wandb
from wandb.data_types import Classes, WBValue


@functools.cache
def _find(path: str, lost: str) -> Any:
    """Returns a private object of wandb; None where this version lacks it, which is said once.

    Args:
        path: The module and the name, below `wandb`.
        lost: What this package does without it, for the warning.
    """
    module, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(f"wandb.{module}"), name)
    except (ImportError, AttributeError):
        wandb.termwarn(f"wandb {wandb.__version__} has no `wandb.{path}`: {lost}.")
        return None


# Files and references of an artifact. `Artifact.add_file` would write, copy and read each picture
# several times over, and `Artifact.add_reference` would look up each picture's artifact again.


def staging_directory() -> str:
    """Returns the directory in which files wait for their upload, or for `wandb sync`.

    Stands on `wandb.sdk.artifacts.staging`. Without it, files wait in the temporary directory.
    """
    find = _find("sdk.artifacts.staging.get_staging_dir", "files wait in the temporary directory")
    return tempfile.gettempdir() if find is None else str(find())


def md5_of(content: bytes) -> bytes:
    """Returns the MD5 digest of a content, by which artifacts tell contents apart."""
    return hashlib.md5(content, usedforsecurity=False).digest()


def add_bytes(
    artifact: wandb.Artifact, path: str, content: bytes, digest: bytes, directory: str
) -> None:
    """Writes a file to where wandb uploads it from, and adds it to an artifact.

    Stands on the same as `add_file`.

    Args:
        artifact: The artifact.
        path: The file's path inside the artifact.
        content: The file's content.
        digest: The content's MD5 digest.
        directory: The `staging_directory`.
    """
    descriptor, local = tempfile.mkstemp(dir=directory)
    os.fchmod(descriptor, 0o400)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    _add(artifact, path, digest, len(content), local)


def add_file(artifact: wandb.Artifact, path: str, write: Callable[[IO[bytes]], object]) -> None:
    """Writes a file to where wandb uploads it from, and adds it to an artifact.

    Stands on `ArtifactManifestEntry`. Without it, wandb reads and hashes each file once more.

    Args:
        artifact: The artifact.
        path: The file's path inside the artifact.
        write: Writes the file's content to an open file.
    """
    with tempfile.NamedTemporaryFile(dir=staging_directory(), delete=False) as file:
        write(file)
        file.flush()
        size = file.tell()
        file.seek(0)
        digest = hashlib.file_digest(file, "md5").digest()
    Path(file.name).chmod(0o400)
    _add(artifact, path, digest, size, file.name)


def reference_to(artifact: wandb.Artifact, entry: Any) -> Any:
    """Returns an entry of the same path that refers to an entry of an artifact.

    The upload replaces the client's id of `artifact` by the server's, so `artifact` must have been
    logged before. Stands on `ArtifactManifestEntry` and `Artifact._client_id`. Without them, the
    entry itself is returned, and the artifact that gets it lists the file as its own.
    """
    client_id = getattr(artifact, "_client_id", None)
    make = _entry_class()
    if make is None or client_id is None:
        return entry
    target = f"wandb-client-artifact://{client_id}/{entry.path}"
    return make(path=entry.path, digest=entry.digest, size=0, ref=target)


def _entry_class() -> Any:
    return _find(
        "sdk.artifacts.artifact_manifest_entry.ArtifactManifestEntry",
        "adding pictures to artifacts takes longer, and each artifact lists its pictures anew",
    )


def _add(artifact: wandb.Artifact, path: str, digest: bytes, size: int, local: str) -> None:
    make = _entry_class()
    if make is None:
        artifact.add_file(local, name=path, policy="immutable")
        return
    encoded = base64.b64encode(digest).decode()
    artifact.manifest.entries[path] = make(path=path, digest=encoded, size=size, local_path=local)


def log_used_artifact(run: wandb.Run, artifact: wandb.Artifact, aliases: Sequence[str]) -> None:
    """Logs an artifact that the run uses as well.

    The public `use_artifact` does so with a new artifact, but raises offline. Stands on
    `Run._log_artifact`. Without it, the run does not list the artifact among its inputs.
    """
    log = getattr(run, "_log_artifact", None)
    if log is None:
        run.log_artifact(artifact, aliases=list(aliases))
    else:
        log(artifact, aliases=list(aliases), is_user_created=True, use_after_commit=True)


# Tables and the types of their columns.


class UnregisteredTable(wandb.Table):
    """A table class that wandb does not choose when it reads the table of an artifact.

    Stands on `_log_type`, by which wandb finds classes. Without it nothing is lost.
    """

    _log_type: ClassVar[str | None] = None  # type: ignore[assignment]

    def refer_to(self, artifact: wandb.Artifact, path: str) -> None:
        """Sets the artifact that wandb refers to when the table is logged again.

        Stands on `_set_artifact_target`. Without it, the table is stored again.
        """
        if getattr(self, "_artifact_target", None) is None:
            set_target = getattr(self, "_set_artifact_target", None)
            if set_target is not None:
                set_target(artifact, path)


def linked_table(cell: Any) -> wandb.Table | None:
    """Returns the table whose row a cell links to; None if the cell is not a link.

    Links are what `wandb.Table.get_index` returns. Stands on their `_table`. Without it, links are
    plain numbers.
    """
    return getattr(cell, "_table", None) if isinstance(cell, (int, str)) else None


def artifacts_of_links(links: Sequence[Any]) -> list[wandb.Artifact]:
    """Returns the artifacts of the tables that links refer to, if the tables were logged.

    Stands on `_artifact_target` of tables. Without it, no table is known to be in an artifact.
    """
    tables = {id(table): table for link in links if (table := linked_table(link)) is not None}
    targets = [getattr(table, "_artifact_target", None) for table in tables.values()]
    return [target.artifact for target in targets if target is not None]


def describe_cell(cell: Any, artifact: wandb.Artifact) -> Any:
    """Returns a cell as JSON; adds the files of media to an artifact.

    Stands on `wandb.sdk.data_types.utils._json_helper`. Without it, cells that are neither media
    nor JSON are stored as text.
    """
    describe = _find(
        "sdk.data_types.utils._json_helper", "cells that are neither media nor JSON become text"
    )
    if describe is not None:
        return describe(cell, artifact)
    if isinstance(cell, WBValue):
        return cell.to_json(artifact)
    if isinstance(cell, dict):
        return {str(key): describe_cell(each, artifact) for key, each in cell.items()}
    if isinstance(cell, (list, tuple)):
        return [describe_cell(each, artifact) for each in cell]
    return cell if isinstance(cell, (bool, int, float, str, type(None))) else str(cell)


class ColumnTypeMap:
    """The types of a table's columns, as wandb keeps and stores them.

    Stands on `Table._column_types` and `wandb.sdk.data_types._dtypes`. Without them, no cell is
    refused, and tables are stored without types, which W&B then finds itself.

    Args:
        table: The table, whose description of the columns is kept up to date.
    """

    def __init__(self, table: wandb.Table) -> None:
        self._described = getattr(table, "_column_types", None)
        params = getattr(self._described, "params", {})
        self._map: dict[str, Any] = params.get("type_map", {})

    @property
    def is_known(self) -> bool:
        """Whether this wandb has the parts that the class stands on."""
        return self._described is not None and _types("TypeRegistry") is not None

    def add(self, column: str, *, optional: bool) -> None:
        """Adds a column for cells of one type, which may be any; `optional` allows None."""
        if self.is_known:
            unknown = _types("UnknownType")()
            chosen = _types("OptionalType")(unknown) if optional else unknown
            self._map[column] = _types("TypeRegistry").type_from_dtype(chosen)

    def assign(self, column: str, cell: Any, cell_type: Any = None) -> None:
        """Widens a column's type to that of a cell.

        Args:
            column: The column.
            cell: The cell.
            cell_type: The cell's type. Defaults to None: it is found from the cell.

        Raises:
            TypeError: If the column does not take the cell.
        """
        if not self.is_known:
            return
        if linked_table(cell) is not None:
            cell_type = self._map[column] = type_of(cell)
        before = self._map[column]
        after = before.assign(cell) if cell_type is None else before.assign_type(cell_type)
        if isinstance(after, _types("InvalidType")):
            raise TypeError(
                f"Column {column!r} holds cells of type {before}. Received: {type_of(cell)}, "
                f"{cell!r}"
            )
        self._map[column] = after

    def allow_any(self, column: str) -> None:
        """Allows cells of any type in a column."""
        if self.is_known:
            self._map[column] = _types("AnyType")()

    def is_timestamp(self, column: str) -> bool:
        """Returns whether a column holds points in time, which are stored as numbers."""
        if not self.is_known:
            return False
        known = self._map[column]
        options = known.params.get("allowed_types", [known])
        return any(isinstance(each, _types("TimestampType")) for each in options)

    def to_json(self, artifact: wandb.Artifact) -> dict[str, Any]:
        """Returns the types as a stored table has them; an empty dictionary if none are known."""
        return self._described.to_json(artifact) if self.is_known and self._described else {}


def type_of(cell: Any) -> Any:
    """Returns the type of a cell; None if wandb lacks what `ColumnTypeMap` stands on."""
    registry = _types("TypeRegistry")
    return None if registry is None else registry.type_of(cell)


def array_type(shape: tuple[int, ...], place: dict[str, str]) -> dict[str, Any]:
    """Returns the description of a column whose cells are the items of a stored array.

    Stands on `NDArrayType` of `wandb.sdk.data_types._dtypes`.

    Args:
        shape: The shape of one item.
        place: The array's file, as `path`, and its name in the file, as `key`.
    """
    described: dict[str, Any] = _types("NDArrayType")(shape, place).to_json()
    return described


def _types(name: str) -> Any:
    return _find(f"sdk.data_types._dtypes.{name}", "tables are stored without column types")


# Images.


def image_type(
    names: Mapping[int, str],
    *,
    boxes: Sequence[str] = (),
    masks: Sequence[str] = (),
    with_scores: bool = False,
) -> Any:
    """Returns the type of images whose layers of boxes or masks all have the same classes.

    Stands on `wandb.sdk.data_types.image._ImageFileType`. Without it, None is returned, and W&B
    shows numbers instead of the names of classes.

    Args:
        names: The names of the classes, by number.
        boxes: The names of the layers of boxes.
        masks: The names of the layers of masks.
        with_scores: Whether boxes have a `score`.
    """
    make = _image_file_type()
    texts = {str(number): name for number, name in names.items()}
    return make and make(
        box_layers={layer: {*names} for layer in boxes},
        box_score_keys=["score"] if with_scores else [],
        box_class_maps=dict.fromkeys(boxes, texts),
        mask_layers={layer: {*names} for layer in masks},
        mask_class_maps=dict.fromkeys(masks, texts),
        class_map=texts,
    )


def _image_file_type() -> Any:
    return _find(
        "sdk.data_types.image._ImageFileType", "tables of pictures do not know names of classes"
    )


@dataclass(frozen=True)
class ImageDetails:
    """What an image has besides its pixels.

    Stands on the attributes of `wandb.Image` that have these names with an underscore before them.
    Without them, the tables lack the detail.
    """

    caption: str | None
    grouping: int | None
    classes: Classes | None
    boxes: Mapping[str, Any] | None
    masks: Mapping[str, Any] | None

    @classmethod
    def of(cls, image: wandb.Image) -> "ImageDetails":
        """Returns the details of an image."""
        names = ("_caption", "_grouping", "_classes", "_boxes", "_masks")
        return cls(*(vars(image).get(name) for name in names))


class LazyValue:
    """An attribute of ordinary images; reading it turns a lazy image into an ordinary one."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, image: "LazyImage", owner: type | None = None) -> Any:
        return None if image.is_new else getattr(image.become_ordinary(), self._name)

    def __set__(self, image: "LazyImage", value: Any) -> None:
        vars(image)[self._name] = value


class LazyImage(wandb.Image):
    """A `wandb.Image` that keeps what it shows, instead of encoding it when it is made.

    A subclass defines what it accepts, how it keeps it, and how it turns into a picture. The image
    becomes an ordinary `wandb.Image` when wandb reads one of its `LazyValue` attributes.

    Stands on the attributes and methods of `wandb.Image` that have the same names here.
    `are_images_lazy` returns whether wandb has them, and says what is lost. `_log_type` is None so
    that wandb does not read pictures of artifacts as this class.
    """

    _log_type: ClassVar[str | None] = None  # type: ignore[assignment]
    _path = LazyValue()
    _is_tmp = LazyValue()
    _extension = LazyValue()
    _sha256 = LazyValue()
    _size = LazyValue()
    is_new = False

    @classmethod
    def accepts(cls, data: Any) -> bool:
        """Returns whether the class can keep `data`, the first argument of `wandb.Image`."""
        raise NotImplementedError

    def keep(self, data: Any, mode: str | None) -> None:
        """Keeps `data`; `mode` is the Pillow mode of the picture."""
        raise NotImplementedError

    def picture(self) -> Any:
        """Returns the picture, as a Pillow image."""
        raise NotImplementedError

    @classmethod
    def blank(cls) -> Any:
        """Returns an image without data."""
        _register(cls)
        image = cls.__new__(cls)
        WBValue.__init__(image)
        image._caption = image._grouping = image._width = image._height = None
        image._classes = image._boxes = image._masks = image._image = image._run = None
        image.format, image._file_type = "png", None
        return image

    def describe(
        self,
        *,
        caption: str | None = None,
        grouping: int | None = None,
        size: tuple[int, int] | None = None,
    ) -> None:
        """Sets caption, grouping and size (width and height) of a blank image."""
        self._caption, self._grouping = caption, grouping
        self._width, self._height = size or (None, None)

    def name_classes(self, names: Mapping[int, str]) -> None:
        """Sets the names of the classes that the image's boxes or masks have."""
        self._classes = Classes([{"id": each, "name": name} for each, name in names.items()])

    def copy_details(self, image: wandb.Image) -> None:
        """Copies caption, grouping, size, classes, boxes and masks from another image."""
        vars(self).update({name: vars(image)[name] for name in _DETAILS if name in vars(image)})

    def become_ordinary(self) -> wandb.Image:
        """Turns this image into one that wandb itself would have made, and returns it."""
        if isinstance(self, LazyImage):
            picture = self.picture()
            self._width, self._height = picture.size
            self.__class__ = wandb.Image  # type: ignore[assignment]
            if _make_from_data is None:
                vars(self).update({**vars(wandb.Image(picture)), **_set_values(self)})
            else:
                _make_from_data(self, picture)
        return self

    def _initialize_from_data(
        self,
        data: Any,
        mode: str | None = None,
        file_type: str | None = None,  # noqa: ARG002  None or "png"
    ) -> None:
        _register(type(self))
        self.keep(data, mode)
        self.format = "png"

    def _initialize_from_wbimage(self, wbimage: wandb.Image) -> None:
        _register(type(self))
        self.keep(wbimage, None)
        self.format = "png"
        self._caption, self._grouping = wbimage._caption, wbimage._grouping
        self._width, self._height = wbimage._width, wbimage._height
        self._classes = wbimage._classes

    def _set_initialization_meta(self, *args: Any, **kwargs: Any) -> None:
        self.is_new = True  # no size yet: wandb asks for it here
        super()._set_initialization_meta(*args, **kwargs)
        self.is_new = False

    def _free_ram(self) -> None:
        pass


_DETAILS: Final = ("_caption", "_grouping", "_width", "_height", "_classes", "_boxes", "_masks")
_HOOKS: Final = ("_initialize_from_data", "_initialize_from_wbimage", "_set_initialization_meta")
_make_from_data: Final = getattr(wandb.Image, "_initialize_from_data", None)


def _set_values(image: wandb.Image) -> dict[str, Any]:
    return {name: value for name, value in vars(image).items() if value is not None}


def _register(image_class: type[LazyImage]) -> None:
    """Registers a class of images with wandb, which finds a cell's type by the exact class.

    Without the registry, wandb's own tables refuse such images.
    """
    registry, image_file_type = _types("TypeRegistry"), _image_file_type()
    if registry is not None and image_file_type is not None:
        registry.types_by_class().setdefault(image_class, image_file_type)


@functools.cache
def are_images_lazy() -> bool:
    """Returns whether wandb has the methods that `LazyImage` stands on; warns if it has not."""
    missing = [name for name in _HOOKS if not hasattr(wandb.Image, name)]
    if missing:
        wandb.termwarn(
            f"wandb {wandb.__version__} has no `wandb.Image.{missing[0]}`: images of tables are "
            "encoded when they are made, and `wandb.Image(array)` is as wandb makes it. Use "
            "`self.image(array)` of a `WandbEvalCallback`, which takes any usual range of values."
        )
    return not missing


@contextlib.contextmanager
def images_made_as(image_class: type[LazyImage]) -> Iterator[None]:
    """Makes `wandb.Image(...)` return images of another class, in this thread, for the block.

    wandb itself makes the images of other threads, images of data that the class does not accept,
    and images of subclasses of `wandb.Image`. The block may end in another thread.

    Two methods of `wandb.Image` are replaced while any thread is in such a block. If wandb lacks
    them (`are_images_lazy`), wandb makes all images.
    """
    if not are_images_lazy():
        yield
        return
    thread = threading.current_thread()
    with _lock:
        _replace_methods(image_class)
        _deferring.append(thread)
    try:
        yield
    finally:
        with _lock:
            _deferring.remove(thread)
            if not _deferring:
                _restore_methods()


_lock: Final = threading.Lock()
_deferring: Final[list[threading.Thread]] = []  # once for each block
_replaced: Final[dict[str, tuple[Any, Any]]] = {}  # methods by name: before, and in its place


def _replace_methods(image_class: type[LazyImage]) -> None:
    for name in () if _replaced else _HOOKS[:2]:
        before = getattr(wandb.Image, name)
        after = _choosing(image_class, name, before)
        _replaced[name] = (before, after)
        setattr(wandb.Image, name, after)


def _restore_methods() -> None:
    for name, (before, after) in _replaced.items():
        if vars(wandb.Image)[name] is after:  # else other code has replaced it meanwhile
            setattr(wandb.Image, name, before)
    _replaced.clear()


def _choosing(image_class: type[LazyImage], name: str, plain: Any) -> Any:
    def initialize(self: wandb.Image, data: Any, *args: Any, **kwargs: Any) -> None:
        is_chosen = type(self) is wandb.Image and threading.current_thread() in _deferring
        file_type = kwargs.get("file_type") or (args[1] if len(args) > 1 else None)
        if is_chosen and file_type in (None, "png") and image_class.accepts(data):
            self.__class__ = image_class
            getattr(image_class, name)(self, data, *args, **kwargs)
        else:
            plain(self, data, *args, **kwargs)

    return initialize
