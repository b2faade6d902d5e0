"""A training whose every number depends on its random state, and what it looked like."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from wk_core.compat.keras.flavour import PyDataset, keras, seed_variables, values_of

SAMPLES, BATCH = 64, 8
BATCHES = SAMPLES // BATCH
X = np.random.default_rng(0).random((SAMPLES, 4)).astype("float32")
Y = np.random.default_rng(1).random((SAMPLES, 1)).astype("float32")


def random_model(seed: int = 7) -> Any:
    """Returns a compiled model with dropout and batch normalisation, the same for each seed."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(1),
        ]
    )
    model.compile(optimizer="adam", loss="mse", metrics=["mae"])
    return model


class Shuffled(PyDataset):  # type: ignore[misc]  # Keras ships no types
    """Data whose order is a function of the epoch.

    Args:
        epoch: The epoch to begin with.
    """

    def __init__(self, epoch: int = 0) -> None:
        super().__init__()
        self._epoch = epoch

    def __len__(self) -> int:
        """Returns the number of batches."""
        return BATCHES

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns a batch of the epoch."""
        order = np.random.default_rng(self._epoch).permutation(SAMPLES)
        chosen = order[index * BATCH : (index + 1) * BATCH]
        return X[chosen], Y[chosen]

    def on_epoch_end(self) -> None:
        """Goes on to the next epoch's order."""
        self._epoch += 1


def values(model: Any) -> list[np.ndarray]:
    """Returns everything that a training has changed: weights, optimizer, seeds."""
    optimizer = model.optimizer.variables
    return values_of([*model.weights, *optimizer, *seed_variables(model)])


def same(one: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> bool:
    """Returns whether two models' values are the same, bit for bit."""
    return len(one) == len(other) and all(map(np.array_equal, one, other))


class Witness(keras.callbacks.Callback):  # type: ignore[misc]
    """Sees a model's values at the end of each epoch, and of each batch where asked to.

    Args:
        batches: Whether to see them at the end of each batch.
    """

    def __init__(self, *, batches: bool = False) -> None:
        super().__init__()
        self.seen: dict[Any, list[np.ndarray]] = {}
        self._batches = batches
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Sets the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Takes a copy."""
        if self._batches:
            self.seen[self._epoch, batch] = values(self.model)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Takes a copy."""
        self.seen[epoch] = values(self.model)
