"""A whole model in a TensorFlow SavedModel directory, which can be served.

A SavedModel holds the graph of the model's predictions, but not the model. So wk adds a `.keras`
archive in `assets.extra/`, which the format reserves for files of the user. If Keras cannot
serialize the architecture, wk adds the weights alone: a SavedModel needs no architecture.
"""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, Final

import wandb

from wk_checkpoint.errors import UnserializableModelError
from wk_checkpoint.formats.keras_archive import KerasArchive
from wk_checkpoint.formats.tensorflow import checked_options, saved_model_error
from wk_checkpoint.formats.weights import WeightsFile
from wk_checkpoint.snapshot.checkpoint_data import CheckpointData
from wk_checkpoint.snapshot.replica import ModelReplica
from wk_checkpoint.snapshot.snapshot import Snapshot
from wk_core.compat.keras.flavour import SAVED_MODEL_METHOD, backend, write_saved_model
from wk_core.compat.keras.saved_objects import SavedObject
from wk_core.description import in_a_line

__all__ = ["SavedModel"]

_EXTRA: Final = "assets.extra"
_ARCHIVE: Final = Path(_EXTRA, "model.keras")
_WEIGHTS: Final = Path(_EXTRA, "model.weights.h5")


class SavedModel:
    """A SavedModel directory with the same model as a `.keras` archive in `assets.extra/`.

    Args:
        options: `tf.saved_model.SaveOptions`, or None.

    Raises:
        MissingTensorFlowError: If TensorFlow is not installed.
        TypeError: If the options are of another class.
    """

    name: ClassVar[str] = "saved_model"
    whole: ClassVar[bool] = True
    needs_configuration: ClassVar[bool] = False
    directory: ClassVar[bool] = True
    method: ClassVar[str | None] = SAVED_MODEL_METHOD

    def __init__(self, options: Any) -> None:
        self._options = checked_options(options, "tf.saved_model.SaveOptions", "A SavedModel")
        self._replica = ModelReplica(with_optimizer=False)
        self._is_checked = False
        if backend() not in ("tensorflow", "jax"):
            raise ValueError(
                f"Keras cannot write a SavedModel with the {backend()!r} backend: use a `filepath` "
                "that ends in '.keras', '.h5' or '.weights.h5'."
            )

    def blocking_reason(self, model: Any) -> str | None:
        """Returns why training must wait while a model is written; None if it need not."""
        return self._replica.blocking_reason(model)

    def snapshot(self, model: Any, objects: Sequence[SavedObject], *, live: bool) -> Snapshot:
        """Returns a snapshot of all that the directory holds."""
        try:
            snapshot = KerasArchive().snapshot(model, objects, live=live)
        except UnserializableModelError:
            snapshot = WeightsFile().snapshot(model, objects, live=live)
        if not live:
            self._replica.add_variables(model, snapshot)
        return snapshot

    def write(self, data: CheckpointData, path: Path) -> None:
        """Writes the directory with TensorFlow's writer, and adds the archive."""
        writes_itself = self.method is not None
        model = data.model if writes_itself else self._replica.with_values(data)
        write_saved_model(model, path, self._options)
        self._check_once(path)
        (path / _EXTRA).mkdir()
        if data.snapshot is not None and data.snapshot.config is None:
            WeightsFile().write(data, path / _WEIGHTS)
            return
        try:
            KerasArchive().write(data, path / _ARCHIVE)
        except (NotImplementedError, TypeError):  # Keras 2: a model without a configuration
            if data.snapshot is not None:
                raise
            (path / _ARCHIVE).unlink(missing_ok=True)
            WeightsFile().write(data, path / _WEIGHTS)

    def _check_once(self, path: Path) -> None:
        """Warns if TensorFlow cannot run the first SavedModel that JAX has written.

        A newer JAX writes operations that an older TensorFlow loads, but does not run.
        """
        if self._is_checked or backend() != "jax":
            return
        self._is_checked = True
        error = saved_model_error(path)
        if error is not None:
            wandb.termwarn(
                "WandbModelCheckpoint: this TensorFlow cannot run the SavedModel that JAX has "
                f"written ({_versions()}): {in_a_line(error)} It is logged all the same, and "
                "training can go on from it. To serve it, take a TensorFlow that is newer, or "
                "write it with a JAX that is older."
            )

    def training_state(self, path: Path) -> Mapping[str, Any] | None:
        """Returns the training state from the archive or the weights file; None without one."""
        part, file = _part(path)
        return part.training_state(file) if file.is_file() else None

    def build(self, model: Any, path: Path) -> None:
        """Builds a model that is not built, if there is an archive."""
        part, file = _part(path)
        part.build(model, file)

    def load(self, model: Any, path: Path) -> None:
        """Loads weights and optimizer state from the archive or the weights file."""
        part, file = _part(path)
        part.load(model, file)


def _part(path: Path) -> tuple[KerasArchive | WeightsFile, Path]:
    """Returns the file in a SavedModel directory that `restore` loads, with its format."""
    if (path / _WEIGHTS).is_file():
        return WeightsFile(), path / _WEIGHTS
    return KerasArchive(), path / _ARCHIVE


def _versions() -> str:
    return ", ".join(f"{name} {version(name)}" for name in ("jax", "tensorflow"))
