"""Pictures and other media of a table on their way to an artifact."""

import hashlib
import json
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import wandb
from PIL import Image as PILImage
from wandb.sdk.data_types.helper_types.classes import Classes

from wk_eval.images import encode_png
from wk_eval.tables.image import PixelSource
from wk_eval.tables.wandb_internals import (
    Entry,
    bytes_entry,
    file_entry,
    md5_of,
    reference,
    staging_directory,
)


class MediaStore:
    """Puts media where wandb uploads them from, each content once, and knows their entries.

    A content that the source has as well is referred to instead.

    Args:
        source: The media of a table that was logged before.
    """

    def __init__(self, source: "MediaStore | None" = None) -> None:
        self._source = source
        # Only collects entries until `add_to` knows the artifact; wandb's media add theirs to it.
        self._collected = wandb.Artifact("collected", type="collected")
        self._references: dict[str, MediaStore] = {}
        self._artifact: wandb.Artifact | None = None
        self._directory = staging_directory()

    def store_picture(self, content: PixelSource) -> dict[str, Any]:
        """Returns what says where a picture is, and stores it where it is nowhere yet."""
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
        # Pixels that only a table of predictions has stay at hand for the tables after it.
        if holder is not self or self._source is None:
            content.mark_stored(holder, described)
        return described

    def store_mask(self, file: bytes) -> dict[str, Any]:
        """Returns what says where a mask of class numbers is; stores it, a PNG file."""
        digest = md5_of(file)
        path = f"media/images/mask/{digest.hex()}.mask.png"
        self._store_file(path, file, digest)
        return {"_type": "mask", "path": path, "sha256": hashlib.sha256(file).hexdigest()}

    def store_classes(self, classes: Classes) -> dict[str, Any]:
        """Returns what says where the names of classes are; stores them."""
        content = json.dumps(classes.to_json(self.target), sort_keys=True).encode()
        name = md5_of(str(classes._class_set).encode()).hex()
        path = Classes.with_suffix(f"media/classes/{name}_cls")
        digest = self._store_file(path, content, md5_of(content))._entries[path].digest
        return {"type": "classes-file", "path": path, "digest": digest}

    def store_file(self, path: str, write: Callable[[IO[bytes]], object]) -> None:
        """Stores any other file.

        Args:
            path: Its path in the artifact.
            write: Writes its content to a file that is open.
        """
        self._entries[path] = file_entry(path, write)

    def collect(self, describe: Callable[[], Any]) -> Any:
        """Returns what a function returns that adds files to the artifact `target`."""
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
        """What stands for the artifact to come, for media that add themselves to one."""
        return self._collected

    def refer(self, described: Any, owner: "MediaStore | None") -> None:
        """Sees to it that the artifact gets every path in a cell that another store has."""
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
        """Notes that the artifact was logged: others may refer to it from now on."""
        self._artifact = artifact

    def share_with(self, described: Any, artifact: wandb.Artifact) -> bool:
        """Adds references for all paths in a stored cell to an artifact, if this was logged."""
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
        if not file.is_file():  # wandb has uploaded it and tidied up
            if self._artifact is None:
                raise FileNotFoundError(f"The picture {path} is gone from {file}.")
            file = Path(self._artifact.wait().get_entry(path).download())
        return PILImage.open(BytesIO(file.read_bytes()))

    @property
    def _entries(self) -> dict[str, Entry]:
        entries: dict[str, Entry] = self._collected.manifest.entries
        return entries

    def _store_file(self, path: str, content: bytes, digest: bytes) -> "MediaStore":
        """Stores a file, unless it is stored already; returns who has it."""
        if self._source is not None and path in self._source._entries:
            self._references[path] = self._source
            return self._source
        if path not in self._entries:
            self._entries[path] = bytes_entry(path, content, digest, self._directory)
        return self

    def _entry_for_others(self, path: str) -> Entry:
        """Returns what stands for an entry in another artifact."""
        if path in self._references:
            return self._references[path]._entry_for_others(path)
        entry = self._entries[path]
        if self._artifact is None:
            return entry
        return reference(entry.path, entry.digest, self._artifact._client_id)


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
