"""Taking part in what another process saves."""

import tempfile
from pathlib import Path
from typing import Any

from wk_checkpoint.checkpoint import Checkpoint
from wk_checkpoint.saver import Saver
from wk_core.keras import sync_state
from wk_core.spread import is_split
from wk_core.strategy import workers_strategy

__all__ = ["Attendance", "takes_all"]


def takes_all(model: Any) -> bool:
    """Tells whether all processes have to take part when one of them saves a model."""
    return workers_strategy(model) is not None or is_split(model)


class Attendance(Saver):
    """Does what it takes for another process to save a checkpoint, and keeps nothing.

    The arguments are those of `Saver`.
    """

    def save(
        self, checkpoint: Checkpoint, model: Any, *, best: float | None, callbacks: list[Any]
    ) -> None:
        """Reads what the other process reads, in the same order.

        TensorFlow's workers put together what they read in the writers themselves: what these
        write here is thrown away. For a snapshot it is enough to take one.
        """
        if not takes_all(model):
            return
        sync_state(model)
        contents = self._contents(checkpoint, model, best=best, callbacks=callbacks)
        if contents.waits:
            with tempfile.TemporaryDirectory() as directory:
                self._format.write(contents, Path(directory, Path(checkpoint.path).name))
