"""Everything private of wandb that tables stand on; no other module of this package touches it.

`stands_on` records what each function stands on, and what is lost with a wandb that lacks it. Such
a loss costs a feature, which is said once, never an import: private modules are imported on use.
"""

import base64
import contextlib
import functools
import hashlib
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, ClassVar, Final

import wandb
from wandb.data_types import Classes, WBValue

from wk_core.compat.entries import find, say_missing, stands_on

_STAGING: Final = "wandb.sdk.artifacts.staging.get_staging_dir"
_ENTRY: Final = "wandb.sdk.artifacts.artifact_manifest_entry.ArtifactManifestEntry"
_DESCRIBE: Final = "wandb.sdk.data_types.utils._json_helper"
_TYPES: Final = "wandb.sdk.data_types._dtypes"
_REGISTRY: Final = f"{_TYPES}.TypeRegistry"
_COLUMN_TYPES: Final = (
    _REGISTRY,
    f"{_TYPES}.AnyType",
    f"{_TYPES}.InvalidType",
    f"{_TYPES}.NDArrayType",
    f"{_TYPES}.OptionalType",
    f"{_TYPES}.TimestampType",
    f"{_TYPES}.UnknownType",
)
_IMAGE_TYPE: Final = "wandb.sdk.data_types.image._ImageFileType"


@functools.cache  # asked for each cell
def _find(path: str) -> Any:
    return find(path)


# Files and references of an artifact. `Artifact.add_file` would write, copy and read each picture
# several times over, and `Artifact.add_reference` would look up each picture's artifact again.


@stands_on(
    _STAGING,
    why="the directory from which wandb uploads has no public name",
    versions="wandb 0.17 to 0.31",
    without="files wait for their upload in the system's temporary directory",
    report="not reported: for wandb, files that an artifact takes over instead of copying them",
)
def staging_directory() -> str:
    """Returns the directory in which files wait for their upload, or for `wandb sync`."""
    locate = _find(_STAGING)
    if locate is None:
        say_missing(staging_directory)
        return tempfile.gettempdir()
    return str(locate())


def md5_of(content: bytes) -> bytes:
    """Returns the MD5 digest of a content, by which artifacts tell contents apart."""
    return hashlib.md5(content, usedforsecurity=False).digest()


def add_bytes(
    artifact: wandb.Artifact, path: str, content: bytes, digest: bytes, directory: str
) -> None:
    """Writes a file to where wandb uploads it from, and adds it to an artifact.

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


@stands_on(
    _ENTRY,
    "artifact._client_id",
    why="the public `add_reference` looks up each picture's artifact again",
    versions="wandb 0.17 to 0.31",
    without="each artifact lists the pictures that it refers to as its own",
    report="not reported: for wandb, references to many files of one artifact",
)
def reference_to(artifact: wandb.Artifact, entry: Any) -> Any:
    """Returns an entry of the same path that refers to an entry of an artifact.

    The upload replaces the client's id of `artifact` by the server's, so `artifact` must have been
    logged before.
    """
    client_id = getattr(artifact, "_client_id", None)
    make = _find(_ENTRY)
    if make is None or client_id is None:
        say_missing(reference_to)
        return entry
    target = f"wandb-client-artifact://{client_id}/{entry.path}"
    return make(path=entry.path, digest=entry.digest, size=0, ref=target)


@stands_on(
    _ENTRY,
    why="the public `add_file` reads, copies and hashes each picture once more",
    versions="wandb 0.17 to 0.31",
    without="adding pictures to artifacts takes longer",
    report="not reported: for wandb, files that an artifact takes over instead of copying them",
)
def _add(artifact: wandb.Artifact, path: str, digest: bytes, size: int, local: str) -> None:
    make = _find(_ENTRY)
    if make is None:
        say_missing(_add)
        artifact.add_file(local, name=path, policy="immutable")
        return
    encoded = base64.b64encode(digest).decode()
    artifact.manifest.entries[path] = make(path=path, digest=encoded, size=size, local_path=local)


@stands_on(
    "run._log_artifact",
    why="the public `use_artifact` takes a new artifact as well, but raises offline",
    versions="wandb 0.17 to 0.31",
    without="a run does not list its table of examples among its inputs",
    report="not reported: for wandb, `use_artifact` with a new artifact offline",
)
def log_used_artifact(run: wandb.Run, artifact: wandb.Artifact, aliases: Sequence[str]) -> None:
    """Logs an artifact that the run uses as well."""
    log = getattr(run, "_log_artifact", None)
    if log is None:
        say_missing(log_used_artifact)
        run.log_artifact(artifact, aliases=list(aliases))
    else:
        log(artifact, aliases=list(aliases), is_user_created=True, use_after_commit=True)


# Tables and the types of their columns.


@stands_on(
    "table._log_type",
    "table._artifact_target",
    "table._set_artifact_target",
    why="wandb reads a stored table as the newest class of its kind, also a subclass of the "
    "user's; and which artifact holds a table is set by its public `add` only, which stores it",
    versions="wandb 0.17 to 0.31",
    without="a table that is logged once more is stored once more",
    report="not reported: for wandb, a public way to name a table's artifact",
)
class UnregisteredTable(wandb.Table):
    """A table class that wandb does not choose when it reads the table of an artifact."""

    _log_type: ClassVar[str | None] = None  # type: ignore[assignment]

    def refer_to(self, artifact: wandb.Artifact, path: str) -> None:
        """Sets the artifact that wandb refers to when the table is logged again."""
        if getattr(self, "_artifact_target", None) is None:
            set_target = getattr(self, "_set_artifact_target", None)
            if set_target is None:
                say_missing(UnregisteredTable)
            else:
                set_target(artifact, path)


@stands_on(
    "link._table",
    why="what `wandb.Table.get_index` returns does not say publicly which table it links to",
    versions="wandb 0.18 to 0.31",
    without="links between tables are stored as plain numbers",
    report="not reported: for wandb, a public name of a link's table",
)
def linked_table(cell: Any) -> wandb.Table | None:
    """Returns the table whose row a cell links to; None if the cell is not a link."""
    return getattr(cell, "_table", None) if isinstance(cell, (int, str)) else None


@stands_on(
    "table._artifact_target",
    why="a table does not say publicly which artifact holds it",
    versions="wandb 0.17 to 0.31",
    without="a run does not list the tables that its predictions link to among its inputs",
    report="not reported: for wandb, a public name of a table's artifact",
)
def artifacts_of_links(links: Sequence[Any]) -> list[wandb.Artifact]:
    """Returns the artifacts of the tables that links refer to, if the tables were logged."""
    tables = {id(table): table for link in links if (table := linked_table(link)) is not None}
    if not all(hasattr(table, "_artifact_target") for table in tables.values()):
        say_missing(artifacts_of_links)
        return []
    targets = [table._artifact_target for table in tables.values()]
    return [target.artifact for target in targets if target is not None]


@stands_on(
    _DESCRIBE,
    why="how wandb writes a cell is part of its writing of a whole table in memory",
    versions="wandb 0.18 to 0.31",
    without="cells of tables that are neither media nor JSON are stored as text",
    report="not reported: for wandb, tables that are written row by row",
)
def describe_cell(cell: Any, artifact: wandb.Artifact) -> Any:
    """Returns a cell as JSON; adds the files of media to an artifact."""
    describe = _find(_DESCRIBE)
    if describe is not None:
        return describe(cell, artifact)
    say_missing(describe_cell)
    if isinstance(cell, WBValue):
        return cell.to_json(artifact)
    if isinstance(cell, dict):
        return {str(key): describe_cell(each, artifact) for key, each in cell.items()}
    if isinstance(cell, (list, tuple)):
        return [describe_cell(each, artifact) for each in cell]
    return cell if isinstance(cell, (bool, int, float, str, type(None))) else str(cell)


@stands_on(
    "table._column_types",
    *_COLUMN_TYPES,
    why="wandb inspects each cell anew, which takes longer than everything else that is done to a "
    "row; its types have no public names",
    versions="wandb 0.18 to 0.31",
    without="no cell of a table is refused, and tables are stored without the types of their "
    "columns, which W&B then finds itself",
    report="not reported: for wandb, types of columns that are given with a table",
)
class ColumnTypeMap:
    """The types of a table's columns, as wandb keeps and stores them.

    Args:
        table: The table, whose description of the columns is kept up to date.
    """

    def __init__(self, table: wandb.Table) -> None:
        self._described = getattr(table, "_column_types", None)
        params = getattr(self._described, "params", {})
        self._map: dict[str, Any] = params.get("type_map", {})
        parts = [self._described, *map(_find, _COLUMN_TYPES)]
        self.is_known: Final = all(part is not None for part in parts)
        """Whether this wandb has the parts that the class stands on."""
        if not self.is_known:
            say_missing(ColumnTypeMap)

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


@stands_on(
    _REGISTRY,
    why="wandb finds the type of a cell in no public way",
    versions="wandb 0.18 to 0.31",
    without="tables are stored without the types of their columns",
    report="not reported: for wandb, types of columns that are given with a table",
)
def type_of(cell: Any) -> Any:
    """Returns the type of a cell; None if wandb has none."""
    registry = _find(_REGISTRY)
    return None if registry is None else registry.type_of(cell)


@stands_on(
    f"{_TYPES}.NDArrayType",
    why="the type of a column whose cells lie in an array's file has no public name",
    versions="wandb 0.18 to 0.31",
    without="it is not called: arrays are stored as lists, as without the types of columns",
    report="not reported: for wandb, types of columns that are given with a table",
)
def array_type(shape: tuple[int, ...], place: dict[str, str]) -> dict[str, Any]:
    """Returns the description of a column whose cells are the items of a stored array.

    Args:
        shape: The shape of one item.
        place: The array's file, as `path`, and its name in the file, as `key`.
    """
    described: dict[str, Any] = _types("NDArrayType")(shape, place).to_json()
    return described


def _types(name: str) -> Any:
    return _find(f"{_TYPES}.{name}")


# Images.


@stands_on(
    _IMAGE_TYPE,
    why="wandb finds the classes of a column's boxes and masks from each picture anew; the type "
    "that holds them has no public name",
    versions="wandb 0.18 to 0.31",
    without="in tables, W&B shows the numbers of the classes of boxes and masks, not their names",
    report="not reported: for wandb, types of columns that are given with a table",
)
def image_type(
    names: Mapping[int, str],
    *,
    boxes: Sequence[str] = (),
    masks: Sequence[str] = (),
    with_scores: bool = False,
) -> Any:
    """Returns the type of images whose layers of boxes or masks all have the same classes.

    It is None if wandb has no such type.

    Args:
        names: The names of the classes, by number.
        boxes: The names of the layers of boxes.
        masks: The names of the layers of masks.
        with_scores: Whether boxes have a `score`.
    """
    make = _find(_IMAGE_TYPE)
    if make is None:
        say_missing(image_type)
        return None
    texts = {str(number): name for number, name in names.items()}
    return make(
        box_layers={layer: {*names} for layer in boxes},
        box_score_keys=["score"] if with_scores else [],
        box_class_maps=dict.fromkeys(boxes, texts),
        mask_layers={layer: {*names} for layer in masks},
        mask_class_maps=dict.fromkeys(masks, texts),
        class_map=texts,
    )


@stands_on(
    "image._caption",
    "image._grouping",
    "image._classes",
    "image._boxes",
    "image._masks",
    why="an image says none of it publicly",
    versions="wandb 0.18 to 0.31",
    without="the pictures of tables lack the detail",
    report="not reported: for wandb, public properties of `wandb.Image`",
)
@dataclass(frozen=True)
class ImageDetails:
    """What an image has besides its pixels."""

    caption: str | None
    grouping: int | None
    classes: Classes | None
    boxes: Mapping[str, Any] | None
    masks: Mapping[str, Any] | None

    @classmethod
    def of(cls, image: wandb.Image) -> "ImageDetails":
        """Returns the details of an image."""
        names = ("_caption", "_grouping", "_classes", "_boxes", "_masks")
        if not vars(image).keys() >= {*names}:
            say_missing(ImageDetails)
        return cls(*(vars(image).get(name) for name in names))


class LazyValue:
    """An attribute of ordinary images; reading it turns a lazy image into an ordinary one."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, image: "LazyImage", owner: type | None = None) -> Any:
        return None if image.is_new else getattr(image.become_ordinary(), self._name)

    def __set__(self, image: "LazyImage", value: Any) -> None:
        vars(image)[self._name] = value


@stands_on(
    "image._initialize_from_data",
    "image._initialize_from_wbimage",
    "image._set_initialization_meta",
    "image._free_ram",
    "image._path",
    "image._is_tmp",
    "image._extension",
    "image._sha256",
    "image._size",
    "image._width",
    "image._height",
    "image._file_type",
    "image._image",
    "image._run",
    "image._log_type",
    why="wandb encodes a picture when its `Image` is made, in the training's thread, once for each "
    "table; and it scales some ranges of values wrongly, without a word",
    versions="wandb 0.18 to 0.31",
    without="images of tables are encoded when they are made, and `wandb.Image(array)` is as wandb "
    "makes it. Use `self.image(array)` of a `WandbEvalCallback`, which takes any usual range of "
    "values",
    report="not reported: for wandb, images that are encoded when they are stored",
)
class LazyImage(wandb.Image):
    """A `wandb.Image` that keeps what it shows, instead of encoding it when it is made.

    A subclass defines what it accepts, how it keeps it, and how it turns into a picture. The image
    becomes an ordinary `wandb.Image` when wandb reads one of its `LazyValue` attributes.

    `_log_type` is None so that wandb does not read pictures of artifacts as this class.
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
        normalize: bool = True,  # noqa: ARG002  True; wandb 0.28 was the last to have it
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


@stands_on(
    _REGISTRY,
    _IMAGE_TYPE,
    why="wandb finds a cell's type by its exact class",
    versions="wandb 0.18 to 0.31",
    without="wandb's own tables refuse images that were made for tables of wk",
    report="not reported: for wandb, the types of subclasses of `wandb.Image`",
)
def _register(image_class: type[LazyImage]) -> None:
    """Registers a class of images with wandb."""
    types_by_class = getattr(_find(_REGISTRY), "types_by_class", None)
    image_file_type = _find(_IMAGE_TYPE)
    if types_by_class is None or image_file_type is None:
        say_missing(_register)
    else:
        types_by_class().setdefault(image_class, image_file_type)


def are_images_lazy() -> bool:
    """Returns whether wandb has the methods that `LazyImage` replaces; says if it has not."""
    if all(hasattr(wandb.Image, name) for name in _HOOKS):
        return True
    say_missing(LazyImage)
    return False


@contextlib.contextmanager
@stands_on(
    "image._initialize_from_data",
    "image._initialize_from_wbimage",
    why="code that was written for W&B's own callback calls `wandb.Image(array)`",
    versions="wandb 0.18 to 0.31",
    without="`wandb.Image(array)` is as wandb makes it; `self.image(array)` takes any range",
    report="not needed: `self.image(array)` is the documented way",
)
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
        scales = kwargs.get("normalize", args[2] if len(args) > 2 else True)
        is_png = file_type in (None, "png")
        if is_chosen and is_png and scales and image_class.accepts(data):
            self.__class__ = image_class
            getattr(image_class, name)(self, data, *args, **kwargs)
        else:
            plain(self, data, *args, **kwargs)

    return initialize
