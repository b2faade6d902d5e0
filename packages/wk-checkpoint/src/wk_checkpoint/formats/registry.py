"""Choosing the format of a checkpoint by its path and by whether weights alone are saved."""

import os
import re
import string
from pathlib import Path
from typing import Any, Final

from wk_checkpoint.formats.base import Format
from wk_checkpoint.formats.hdf5 import HDF5File
from wk_checkpoint.formats.keras_archive import KerasArchive
from wk_checkpoint.formats.saved_model import SavedModel
from wk_checkpoint.formats.tensorflow_checkpoint import TensorFlowCheckpoint
from wk_checkpoint.formats.weights import WeightsFile

__all__ = ["format_for", "format_of"]

_ACCEPTED: Final = """\
  whole model: '*.keras', '*.h5', '*.hdf5', or a directory (a TensorFlow SavedModel)
  save_weights_only=True: '*.weights.h5', or a directory (a TensorFlow checkpoint)
A directory has no ending, or one of {}."""
_DIRECTORIES: Final = ("ckpt", "checkpoint", "savedmodel", "saved_model", "tf")
"""The endings that names of directories may have."""

_ENDING: Final = re.compile(r".+\.([a-z_]\w*\s*)", re.IGNORECASE | re.DOTALL)
_VERSION: Final = re.compile(r"v\d+", re.IGNORECASE)
_PLACEHOLDER: Final = "-"  # a character that no ending contains


def format_for(filepath: str, *, weights_only: bool, options: Any = None) -> Format:
    """Returns the format for checkpoints at a path.

    Args:
        filepath: The path, with its placeholders.
        weights_only: Whether weights alone are saved.
        options: The user's options for TensorFlow's writer.

    Raises:
        ValueError: If the ending is unknown or does not fit, or if the format has no options.
        MissingTensorFlowError: If the format needs TensorFlow, which is not installed.
        TypeError: If the options are for another writer.
    """
    ending = _ending(filepath)
    if ending is None or ending.lower() in _DIRECTORIES:
        return TensorFlowCheckpoint(options) if weights_only else SavedModel(options)
    is_weights_file = filepath.endswith(".weights.h5")
    fits = is_weights_file if weights_only else ending in ("keras", "h5", "hdf5")
    if not fits:
        raise ValueError(
            f"With save_weights_only={weights_only!r} `filepath` does not fit. Accepted:\n"
            f"{_ACCEPTED.format(', '.join(f'{one!r}' for one in _DIRECTORIES))}\n"
            f"Received: filepath={filepath!r}"
        )
    if options is not None:
        raise ValueError(
            "`options` are for TensorFlow's writers, which write to a directory. "
            f"Received: filepath={filepath!r}, options={options!r}"
        )
    if weights_only:
        return WeightsFile()
    return KerasArchive() if ending == "keras" else HDF5File()


def _ending(filepath: str) -> str | None:
    """Returns the ending of a path's name; None if it has none that could be a format's.

    Numbers and versions, as in `v1.5` and `m.v2`, are no endings, nor are texts with a placeholder.
    A path that ends in a slash is a directory, whatever its name.
    """
    parts = string.Formatter().parse(filepath)
    text = "".join(
        literal + ("" if field is None else _PLACEHOLDER) for literal, field, _, _ in parts
    )
    name = re.split(r"[\\/]" if os.name == "nt" else "/", text)[-1]
    found = _ENDING.fullmatch(name)
    return None if found is None or _VERSION.fullmatch(found[1]) else found[1]


def format_of(path: Path) -> Format:
    """Returns the format of a checkpoint on the disk.

    Raises:
        ValueError: If it is no checkpoint that wk or Keras writes.
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
