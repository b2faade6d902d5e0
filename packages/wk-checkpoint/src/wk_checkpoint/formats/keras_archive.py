"""A whole model in Keras' own `.keras` archive."""

import json
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from wk_checkpoint.contents import Contents
from wk_checkpoint.formats.archive_entry import ArchiveFile, entry_in_place
from wk_checkpoint.formats.weights import load_weights
from wk_checkpoint.snapshot import obstacle
from wk_checkpoint.state_file import STATE_NAME, decode
from wk_core.keras import keras
from wk_core.keras_saving import write_hdf5_weights

__all__ = ["KerasArchive"]

_WEIGHTS: Final = "model.weights.h5"
_CONFIG: Final = "config.json"
_METADATA: Final = "metadata.json"
# Keras only shows this date; the same one each time leaves an unchanged model an unchanged file.
_DATE: Final = "1980-01-01@00:00:00"


@dataclass(frozen=True)
class KerasArchive:
    """A `.keras` archive: architecture, compilation, weights, optimizer state."""

    name: ClassVar[str] = "keras"
    whole: ClassVar[bool] = True
    directory: ClassVar[bool] = False

    def obstacle(self, model: Any) -> str | None:
        """Returns why a model cannot be saved from a snapshot, or None if it can."""
        return obstacle(model, with_assets=True)

    def write(self, contents: Contents, path: Path) -> None:
        """Writes the archive; where the model saves more than its variables, Keras does it."""
        if self.obstacle(contents.model) is None:
            _write_archive(contents, path)
        else:
            contents.model.save(path)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(zipfile.ZipInfo(STATE_NAME), contents.encoded_state())

    def training_state(self, path: Path) -> Mapping[str, Any] | None:
        """Returns the training state in the archive, or None."""
        with zipfile.ZipFile(path) as archive:
            if STATE_NAME not in archive.namelist():
                return None
            return decode(archive.read(STATE_NAME))

    def load(self, model: Any, path: Path) -> None:
        """Loads weights and optimizer state; builds the model first where it is not built."""
        with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as directory:
            if not model.built:
                build = json.loads(archive.read(_CONFIG)).get("build_config")
                if build:
                    model.build_from_config(build)
            load_weights(model, Path(archive.extract(_WEIGHTS, directory)))


def _write_archive(contents: Contents, path: Path) -> None:
    """Writes what Keras' writer does, with the configuration of that moment.

    And with less work and memory: the weights are written where they belong in the archive.
    """
    metadata = json.dumps({"keras_version": keras.__version__, "date_saved": _DATE})
    with ArchiveFile(path) as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo(_METADATA), metadata)
        archive.writestr(zipfile.ZipInfo(_CONFIG), contents.config)
        with entry_in_place(archive, file, _WEIGHTS) as weights, contents.in_place():
            write_hdf5_weights(contents.model, weights)
