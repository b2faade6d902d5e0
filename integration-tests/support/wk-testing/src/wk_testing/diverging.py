"""A training that diverges in the middle: one batch makes every weight NaN."""

from typing import Any

import numpy as np

from wk_core.compat.keras.flavour import keras
from wk_core.compat.keras.training import sync_state
from wk_testing.resuming import Shuffled, values

__all__ = ["Poisoned", "SyncedWitness", "is_finite"]


class Poisoned(Shuffled):
    """The data of `Shuffled`, with NaN for the targets of one batch of the training.

    Args:
        epoch: The epoch of that batch.
        batch: Its number in the epoch, but not the first, which Keras may ask for once more.
    """

    def __init__(self, epoch: int, batch: int) -> None:
        super().__init__()
        self._batch = batch
        self._times_to_come = epoch + 1

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns a batch of the epoch."""
        x, y = super().__getitem__(index)
        self._times_to_come -= index == self._batch
        is_poisoned = index == self._batch and self._times_to_come == 0
        return x, np.full_like(y, np.nan) if is_poisoned else y


class SyncedWitness(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Sees the model's values at the end of each batch, also where they are not in the variables.

    Attributes:
        seen: The values by epoch and batch.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[tuple[int, int], list[np.ndarray]] = {}
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Sets the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Takes a copy."""
        sync_state(self.model)
        self.seen[self._epoch, batch] = values(self.model)


def is_finite(model: Any) -> bool:
    """Returns whether all values of a model's weights and of its optimizer are finite."""
    sync_state(model)
    return all(np.isfinite(np.asarray(value, "float64")).all() for value in values(model))
