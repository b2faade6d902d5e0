"""The content of one checkpoint."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from wk_checkpoint.snapshot.snapshot import Snapshot
from wk_checkpoint.state.serialization import encode

__all__ = ["CheckpointData"]


@dataclass(frozen=True)
class CheckpointData:
    """The content of one checkpoint, for the format that writes it.

    Attributes:
        model: The model. Only a writer that blocks training may read it.
        training_state: What Keras' own formats cannot hold: see `TrainingState`.
        snapshot: What the model held at that moment; None if the model has to save itself.
    """

    model: Any
    training_state: Mapping[str, Any]
    snapshot: Snapshot | None

    @property
    def blocks_training(self) -> bool:
        """Whether training waits until it is written, since the writer reads the model itself."""
        return self.snapshot is None or self.snapshot.live

    def encoded_state(self) -> bytes:
        """Returns the training state as bytes."""
        state = dict(self.training_state)
        if self.snapshot is not None:
            state["variables"] = self.snapshot.extra_variables()
            state["assets"] = {
                name: np.frombuffer(content, np.uint8)
                for name, content in self.snapshot.assets.items()
            }
        return encode(state)
