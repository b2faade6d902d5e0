"""A whole model in Keras' own `.keras` archive."""

import json
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from wk_checkpoint.formats.weights import load_weights, require_built
from wk_checkpoint.formats.zip_entry import ArchiveFile, entry_in_place
from wk_checkpoint.snapshot.checkpoint_data import Contents
from wk_checkpoint.snapshot.snapshot import Snapshot
from wk_checkpoint.state.architecture import serialized
from wk_checkpoint.state.serialization import STATE_NAME, decode
from wk_core.keras import keras
from wk_core.saved_objects import SavedObject, write_hdf5_weights

__all__ = ["KerasArchive"]

_WEIGHTS: Final = "model.weights.h5"
_CONFIG: Final = "config.json"
_METADATA: Final = "metadata.json"
_ASSETS: Final = "assets"
# Keras only shows this date; the same one each time leaves an unchanged model an unchanged file.
_DATE: Final = "1980-01-01@00:00:00"


@dataclass(frozen=True)
class KerasArchive:
    """A `.keras` archive: architecture, compilation, weights, optimizer state, assets."""

    name: ClassVar[str] = "keras"
    whole: ClassVar[bool] = True
    needs_configuration: ClassVar[bool] = True
    directory: ClassVar[bool] = False
    method: ClassVar[str] = "save"

    def obstacle(self, model: Any) -> str | None:  # noqa: ARG002  each can be written later
        """Returns None: training never has to wait for it."""
        return None

    def snapshot(self, model: Any, objects: Sequence[SavedObject], *, live: bool) -> Snapshot:
        """Returns what the archive holds, as it is now."""
        snapshot = Snapshot(objects, live=live)
        snapshot.config = serialized(model)
        snapshot.take_weights()
        return snapshot

    def write(self, contents: Contents, path: Path) -> None:
        """Writes what Keras' writer does, and the training state beside it."""
        if contents.snapshot is None:
            contents.model.save(path)
            if not zipfile.is_zipfile(path):
                return  # The model's own way to save itself leaves no room for a state.
        else:
            _write_archive(contents.snapshot, path)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(zipfile.ZipInfo(STATE_NAME), contents.encoded_state())

    def training_state(self, path: Path) -> Mapping[str, Any] | None:
        """Returns the training state in the archive, or None."""
        with zipfile.ZipFile(path) as archive:
            if STATE_NAME not in archive.namelist():
                return None
            return decode(archive.read(STATE_NAME))

    def build(self, model: Any, path: Path) -> None:
        """Has a model make its variables as the saved one did, where it has not yet.

        Raises:
            ValueError: If its class does not know how.
        """
        if not model.built:
            with zipfile.ZipFile(path) as archive:
                build = json.loads(archive.read(_CONFIG)).get("build_config")
            if build:
                model.build_from_config(build)
        require_built(model)

    def load(self, model: Any, path: Path) -> None:
        """Loads weights and optimizer state into a built model."""
        with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as directory:
            load_weights(model, Path(archive.extract(_WEIGHTS, directory)))


def _write_archive(snapshot: Snapshot, path: Path) -> None:
    """Writes what Keras' writer does, with less work and memory: each part in its place."""
    metadata = json.dumps({"keras_version": keras.__version__, "date_saved": _DATE})
    with ArchiveFile(path) as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo(_METADATA), metadata)
        archive.writestr(zipfile.ZipInfo(_CONFIG), snapshot.config or "")
        with entry_in_place(archive, file, _WEIGHTS) as weights:
            write_hdf5_weights(snapshot.groups, weights)
        for name, content in snapshot.assets.items():
            archive.writestr(zipfile.ZipInfo(f"{_ASSETS}/{name}"), content)
