"""Checkpoints of trainings that share a run."""

import itertools
from pathlib import Path
from typing import Final

from wk_checkpoint import WandbModelCheckpoint

__all__ = ["ENDINGS", "OTHER_ENDINGS", "checkpoint"]

ENDINGS: Final = (".keras", ".weights.h5")
OTHER_ENDINGS: Final = (".h5", "-saved_model", "-checkpoint")
"""Of the other formats: the latter two are directories that TensorFlow writes."""
_WEIGHTS_ONLY: Final = (".weights.h5", "-checkpoint")
_numbers = itertools.count()


def checkpoint(path: Path, ending: str, **arguments: object) -> WandbModelCheckpoint:
    """Returns a callback that saves each epoch as the file of its number.

    Args:
        path: The directory.
        ending: What a file's name ends in.
        **arguments: Further arguments of `WandbModelCheckpoint`.
    """
    return WandbModelCheckpoint(
        path / f"{{epoch}}{ending}",
        "loss",
        save_weights_only=ending in _WEIGHTS_ONLY,
        artifact=f"artifact-{next(_numbers)}",
        **arguments,  # type: ignore[arg-type]
    )
