"""Which format a checkpoint has: what a path's ending and the kind of content say."""

from pathlib import Path
from typing import Any, Final

from wk_checkpoint.formats.format import Format
from wk_checkpoint.formats.hdf5 import HDF5File
from wk_checkpoint.formats.keras_archive import KerasArchive
from wk_checkpoint.formats.saved_model import SavedModel
from wk_checkpoint.formats.tensorflow_checkpoint import TensorFlowCheckpoint
from wk_checkpoint.formats.weights import WeightsFile

__all__ = ["format_for", "format_of"]

_ACCEPTED: Final = """\
  whole model: '*.keras', '*.h5', or a directory (a TensorFlow SavedModel)
  save_weights_only=True: '*.weights.h5', or a directory (a TensorFlow checkpoint)"""


def format_for(filepath: str, *, weights_only: bool, options: Any = None) -> Format:
    """Returns the format in which checkpoints go to a path.

    Args:
        filepath: The path, with its placeholders.
        weights_only: Whether weights alone are saved.
        options: What the user passed on to TensorFlow's writer.

    Raises:
        ValueError: If the ending does not fit, or if nothing reads the options.
        MissingTensorFlowError: If the format needs TensorFlow, and it is not installed.
        TypeError: If the options are for another writer.
    """
    name = filepath.lower()
    if name.endswith((".keras", ".h5")):
        if options is not None:
            raise ValueError(
                "`options` are for TensorFlow's writers, which write to a directory. "
                f"Received: filepath={filepath!r}, options={options!r}"
            )
        if not weights_only:
            return KerasArchive() if name.endswith(".keras") else HDF5File()
        if name.endswith(".weights.h5"):
            return WeightsFile()
        raise ValueError(
            f"With save_weights_only={weights_only!r} `filepath` does not fit. Accepted:\n"
            f"{_ACCEPTED}\nReceived: filepath={filepath!r}"
        )
    return TensorFlowCheckpoint(options) if weights_only else SavedModel(options)


def format_of(path: Path) -> Format:
    """Returns the format of a checkpoint on the disk.

    Raises:
        ValueError: If it is none that wk or Keras writes.
    """
    if path.is_dir():
        if (path / "saved_model.pb").is_file():
            return SavedModel(None)
        if (path / "checkpoint").is_file():
            return TensorFlowCheckpoint(None)
    elif path.name.endswith(".weights.h5"):
        return WeightsFile()
    elif path.suffix == ".keras":
        return KerasArchive()
    elif path.suffix in (".h5", ".hdf5"):
        return HDF5File()
    raise ValueError(
        f"{path} is no checkpoint: neither a '.keras', '.h5' or '.weights.h5' file nor a directory "
        "with a TensorFlow SavedModel or checkpoint."
    )
