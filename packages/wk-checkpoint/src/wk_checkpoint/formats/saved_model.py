"""A whole model in a TensorFlow SavedModel directory, which can be served.

A SavedModel holds the graph of the model's predictions, but not the model. So the directory also
holds a `.keras` archive, where the format leaves room for files of one's own.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from wk_checkpoint.contents import Contents
from wk_checkpoint.formats.keras_archive import KerasArchive
from wk_checkpoint.formats.tensorflow import checked_options
from wk_checkpoint.twin import Twins
from wk_core.keras import LEGACY, backend
from wk_core.keras_saving import export_saved_model

__all__ = ["SavedModel"]

_ARCHIVE: Final = Path("assets.extra", "model.keras")


class SavedModel:
    """A SavedModel directory with the same model as a `.keras` archive in `assets.extra/`.

    Args:
        options: `tf.saved_model.SaveOptions`, or None.

    Raises:
        MissingTensorFlowError: If TensorFlow is not installed.
        TypeError: If the options are others.
    """

    name: ClassVar[str] = "saved_model"
    whole: ClassVar[bool] = True
    directory: ClassVar[bool] = True

    def __init__(self, options: Any) -> None:
        self._options = checked_options(options, "tf.saved_model.SaveOptions", "A SavedModel")
        self._twins = Twins(with_optimizer=False)
        if backend() not in ("tensorflow", "jax"):
            raise ValueError(
                f"Keras cannot write a SavedModel with the {backend()!r} backend: use a `filepath` "
                "that ends in '.keras', '.h5' or '.weights.h5'."
            )

    def obstacle(self, model: Any) -> str | None:
        """Returns why a model cannot be saved from a snapshot, or None if it can."""
        return KerasArchive().obstacle(model) or self._twins.obstacle(model)

    def write(self, contents: Contents, path: Path) -> None:
        """Writes the directory with TensorFlow's writer, and the archive into it."""
        if LEGACY:
            contents.model.save(path, save_format="tf", options=self._options)
        else:
            export_saved_model(self._twins.holding(contents), path, self._options)
        archive = path / _ARCHIVE
        archive.parent.mkdir()
        KerasArchive().write(contents, archive)

    def training_state(self, path: Path) -> Mapping[str, Any] | None:
        """Returns the training state in the archive, or None."""
        archive = path / _ARCHIVE
        return KerasArchive().training_state(archive) if archive.is_file() else None

    def load(self, model: Any, path: Path) -> None:
        """Loads weights and optimizer state from the archive."""
        KerasArchive().load(model, path / _ARCHIVE)
