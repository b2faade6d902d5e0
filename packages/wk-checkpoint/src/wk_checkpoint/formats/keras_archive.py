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
from wk_checkpoint.snapshot.checkpoint_data import CheckpointData
from wk_checkpoint.snapshot.snapshot import Snapshot
from wk_checkpoint.state.serialization import STATE_NAME, decode, serialize_model
from wk_core.compat.keras.flavour import keras
from wk_core.compat.keras.saved_objects import SavedObject, write_hdf5_weights

__all__ = ["KerasArchive"]

_WEIGHTS: Final = "model.weights.h5"
_CONFIG: Final = "config.json"
_METADATA: Final = "metadata.json"
_ASSETS: Final = "assets"
# A fixed date, so that an unchanged model gives an unchanged file. Keras only displays it.
_DATE: Final = "1980-01-01@00:00:00"


@dataclass(frozen=True)
class KerasArchive:
    """A `.keras` archive: architecture, compilation, weights, optimizer state, assets."""

    name: ClassVar[str] = "keras"
    whole: ClassVar[bool] = True
    needs_configuration: ClassVar[bool] = True
    directory: ClassVar[bool] = False
    method: ClassVar[str] = "save"

    def blocking_reason(self, model: Any) -> str | None:  # noqa: ARG002  any model will do
        """Returns None: training never waits for it."""
        return None

    def snapshot(self, model: Any, objects: Sequence[SavedObject], *, live: bool) -> Snapshot:
        """Returns a snapshot of all that the archive holds."""
        snapshot = Snapshot(objects, live=live)
        snapshot.config = serialize_model(model)
        snapshot.add_weights()
        return snapshot

    def write(self, data: CheckpointData, path: Path) -> None:
        """Writes the same archive as Keras, and adds the training state."""
        if data.snapshot is None:
            data.model.save(path)
            if not zipfile.is_zipfile(path):
                return  # The model's own `save` wrote another kind of file, which holds no state.
        else:
            _write_archive(data.snapshot, path)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(zipfile.ZipInfo(STATE_NAME), data.encoded_state())

    def training_state(self, path: Path) -> Mapping[str, Any] | None:
        """Returns the training state in the archive, or None."""
        with zipfile.ZipFile(path) as archive:
            if STATE_NAME not in archive.namelist():
                return None
            return decode(archive.read(STATE_NAME))

    def build(self, model: Any, path: Path) -> None:
        """Builds a model that is not built, with the input shapes of the saved one.

        Raises:
            ValueError: If its class cannot be built from these.
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
    """Writes the same archive as Keras, without a temporary file for the weights."""
    metadata = json.dumps({"keras_version": keras.__version__, "date_saved": _DATE})
    with ArchiveFile(path) as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo(_METADATA), metadata)
        archive.writestr(zipfile.ZipInfo(_CONFIG), snapshot.config or "")
        with entry_in_place(archive, file, _WEIGHTS) as weights:
            write_hdf5_weights(snapshot.groups, weights)
        for name, content in snapshot.assets.items():
            archive.writestr(zipfile.ZipInfo(f"{_ASSETS}/{name}"), content)
