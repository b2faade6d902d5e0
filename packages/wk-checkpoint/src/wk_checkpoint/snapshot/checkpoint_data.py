"""What goes into one checkpoint."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from wk_checkpoint.snapshot.snapshot import Snapshot
from wk_checkpoint.state.serialization import encode

__all__ = ["Contents"]


@dataclass(frozen=True)
class Contents:
    """What goes into one checkpoint, for the format that writes it.

    Attributes:
        model: The model. Only a writer that works while training waits may look at it.
        training_state: What Keras' own formats have no place for: see `training_state.py`.
        snapshot: What the model holds; None where the model has to be asked itself.
    """

    model: Any
    training_state: Mapping[str, Any]
    snapshot: Snapshot | None

    @property
    def waits(self) -> bool:
        """Whether training waits until it is written, so that the model is as it was."""
        return self.snapshot is None or self.snapshot.live

    def encoded_state(self) -> bytes:
        """Returns the training state as bytes."""
        state = dict(self.training_state)
        if self.snapshot is not None:
            state["variables"] = self.snapshot.values_beside()
            state["assets"] = {
                name: np.frombuffer(content, np.uint8)
                for name, content in self.snapshot.assets.items()
            }
        return encode(state)
