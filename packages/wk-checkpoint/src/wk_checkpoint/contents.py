"""What goes into one checkpoint."""

import contextlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from wk_checkpoint.snapshot import Snapshot
from wk_checkpoint.state_file import encode

__all__ = ["Contents"]


@dataclass(frozen=True)
class Contents:
    """What goes into one checkpoint, for the format that writes it.

    Attributes:
        model: The model; its variables have the right values within `in_place()` only.
        config: The JSON of its architecture and compilation, taken in the training thread.
        training_state: What Keras' own formats have no place for: see `training_state.py`.
        snapshot: The values of its variables; None where they are saved as they are now.
    """

    model: Any
    config: str
    training_state: Mapping[str, Any]
    snapshot: Snapshot | None

    def in_place(self) -> AbstractContextManager[None]:
        """Lets this thread see the model's variables as they were at that moment."""
        return contextlib.nullcontext() if self.snapshot is None else self.snapshot.in_place()

    def encoded_state(self) -> bytes:
        """Returns the training state as bytes."""
        return encode(self.training_state)
