"""Pictures and other media of a table on their way to an artifact."""

import hashlib
import json
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import wandb
from PIL import Image as PILImage
from wandb.data_types import Classes

from wk_core.compat.wandb.artifacts import undisturbed_cache
from wk_eval.images import encode_png
from wk_eval.tables.pixel_source import PixelSource
from wk_eval.tables.wandb_internals import (
    add_bytes,
    add_file,
    md5_of,
    reference_to,
    staging_directory,
)


class MediaStore:
    """Stores media where wandb uploads them from, each content once.

    Where the source has a content, the artifact refers to it instead.

    Args:
        source: The media of a table that was logged before.
    """

    def __init__(self, source: "MediaStore | None" = None) -> None:
        self._source = source
        # Collects entries until `add_to` knows the artifact; wandb's media add theirs to it.
        with undisturbed_cache():
            self._collected = wandb.Artifact("collected", type="collected")
        self._references: dict[str, MediaStore] = {}
        self._artifact: wandb.Artifact | None = None
        self._directory = staging_directory()

    def store_picture(self, content: PixelSource) -> dict[str, Any]:
        """Returns the cell that describes a picture; stores the picture if it is not stored yet."""
        if content.json is not None:
            self.refer(content.json, content.store)
            return content.json
        pixels = content.pixels()
        file = encode_png(pixels)
        digest = md5_of(file)
        described = {
            "_type": "image-file",
            "format": "png",
            "height": pixels.shape[0],
            "path": f"media/images/{digest.hex()}.png",
            "sha256": hashlib.sha256(file).hexdigest(),
            "width": pixels.shape[1],
        }
        holder = self._store_file(described["path"], file, digest)
        # Pixels that only this table of predictions has stay in memory for the tables after it.
        if holder is not self or self._source is None:
            content.mark_stored(holder, described)
        return described

    def store_mask(self, file: bytes) -> dict[str, Any]:
        """Returns the JSON that describes a mask of class numbers; stores the mask.

        Args:
            file: The mask, as a PNG file.
        """
        digest = md5_of(file)
        path = f"media/images/mask/{digest.hex()}.mask.png"
        self._store_file(path, file, digest)
        return {"_type": "mask", "path": path, "sha256": hashlib.sha256(file).hexdigest()}

    def store_classes(self, classes: Classes) -> dict[str, Any]:
        """Returns the JSON that describes the names of classes; stores the names."""
        described = classes.to_json(self.target)
        content = json.dumps(described, sort_keys=True).encode()
        name = md5_of(str(described["class_set"]).encode()).hex()
        path = Classes.with_suffix(f"media/classes/{name}_cls")
        digest = self._store_file(path, content, md5_of(content))._entries[path].digest
        return {"type": "classes-file", "path": path, "digest": digest}

    def store_file(self, path: str, write: Callable[[IO[bytes]], object]) -> None:
        """Stores any other file.

        Args:
            path: The file's path in the artifact.
            write: Writes the file's content to an open file.
        """
        add_file(self._collected, path, write)

    def collect(self, describe: Callable[[], Any]) -> Any:
        """Calls `describe`, which adds files to the artifact `target`; returns what it returns."""
        known = len(self._entries)
        described = describe()
        if self._source is not None:
            for path in list(self._entries)[known:]:
                if path in self._source._entries:
                    Path(self._entries.pop(path).local_path or "").unlink(missing_ok=True)
                    self._references[path] = self._source
        return described

    @property
    def target(self) -> wandb.Artifact:
        """An artifact to which media can add themselves before theirs is made."""
        return self._collected

    def refer(self, described: Any, owner: "MediaStore | None") -> None:
        """Adds to the artifact a reference to each path in a cell that another store has."""
        if owner is None or owner is self:
            return
        for path in _paths(described):
            if path not in self._entries and path not in self._references:
                self._references[path] = owner

    def add_to(self, artifact: wandb.Artifact) -> None:
        """Adds all media to an artifact."""
        entries = artifact.manifest.entries
        entries.update(self._entries)
        for path, owner in self._references.items():
            entries[path] = owner._entry_for_others(path)

    def mark_logged(self, artifact: wandb.Artifact) -> None:
        """Records that the artifact was logged: others may refer to it from now on."""
        self._artifact = artifact

    def share_with(self, described: Any, artifact: wandb.Artifact) -> bool:
        """Adds references to all paths in a stored cell to another artifact.

        Returns:
            Whether it could: False if the store's own artifact has not been logged.
        """
        if self._artifact is None:
            return False
        for path in _paths(described):
            if path in self._entries or path in self._references:
                artifact.manifest.entries[path] = self._entry_for_others(path)
        return True

    def open_picture(self, described: dict[str, Any]) -> PILImage.Image:
        """Returns a picture that was stored.

        Raises:
            FileNotFoundError: If its file is gone, and is on no server either.
        """
        path: str = described["path"]
        if path in self._references:
            return self._references[path].open_picture(described)
        file = Path(self._entries[path].local_path or "")
        if not file.is_file():  # wandb removes what it has uploaded
            if self._artifact is None:
                raise FileNotFoundError(f"The picture {path} is gone from {file}.")
            file = Path(self._artifact.wait().get_entry(path).download())
        return PILImage.open(BytesIO(file.read_bytes()))

    @property
    def _entries(self) -> dict[str, Any]:
        entries: dict[str, Any] = self._collected.manifest.entries
        return entries

    def _store_file(self, path: str, content: bytes, digest: bytes) -> "MediaStore":
        """Stores a file unless it is stored already; returns the store that has it."""
        if self._source is not None and path in self._source._entries:
            self._references[path] = self._source
            return self._source
        if path not in self._entries:
            add_bytes(self._collected, path, content, digest, self._directory)
        return self

    def _entry_for_others(self, path: str) -> Any:
        """Returns the entry that another artifact gets for a path."""
        if path in self._references:
            return self._references[path]._entry_for_others(path)
        entry = self._entries[path]
        return entry if self._artifact is None else reference_to(self._artifact, entry)


def _paths(described: Any) -> Iterator[str]:
    """Yields the paths of files in a stored cell."""
    if isinstance(described, dict):
        if isinstance(described.get("path"), str):
            yield described["path"]
        described = list(described.values())
    if isinstance(described, list):
        for each in described:
            if isinstance(each, (dict, list)):
                yield from _paths(each)
