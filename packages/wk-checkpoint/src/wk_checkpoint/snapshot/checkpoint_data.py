"""The content of one checkpoint."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from wk_checkpoint.snapshot.finiteness import non_finite, values_of_model
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

    def non_finite(self, by_design: Collection[str]) -> list[str]:
        """Returns the names of the weights that hold values that are not finite.

        Metrics do not count: they begin anew in each epoch.

        Args:
            by_design: The names of those that may hold infinities.
        """
        snapshot = self.snapshot
        values = values_of_model(self.model) if snapshot is None else snapshot.named_values
        states = enumerate(self.training_state["recurrent_states"])
        recurrent = ((f"recurrent state {number}", value) for number, value in states)
        return non_finite([*values, *recurrent], by_design)

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
