"""Small models, and data that know how many batches were drawn from them."""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from wk_core.compat.keras.flavour import backend, keras

BATCH_SIZE = 4
STEPS = 10


def executions(*several: int) -> list[int]:
    """Returns values of `steps_per_execution`: 1, and others where the backend takes them."""
    return [1] if backend() == "torch" else [1, *several]


class LastSeen(keras.metrics.Metric):  # type: ignore[misc]  # Keras ships no types
    """The number that the data pipeline gave to the batch seen last."""

    def __init__(self, name: str = "seen", **arguments: Any) -> None:
        super().__init__(name=name, **arguments)
        self._last = self.add_weight(shape=(), name="last", initializer="zeros")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:  # noqa: ARG002
        """Takes the largest target, since a batch's targets are its number."""
        self._last.assign(keras.ops.max(keras.ops.cast(y_true, "float32")))

    def result(self) -> Any:
        """Returns the number."""
        return self._last * 1.0

    def reset_state(self) -> None:
        """Does nothing: the last batch stays the last one."""


def counting_model(optimizer: Any = "sgd", **arguments: Any) -> Any:
    """Returns a compiled model whose metric `seen` is the batch's own number."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(optimizer, "mse", metrics=[LastSeen()], **arguments)
    return model


def numbered_batches(start: int = 0, stop: int | None = None) -> Iterator[Any]:
    """Yields batches whose targets are their number, as a pipeline counts them."""
    for number in itertools.count(start) if stop is None else range(start, stop):
        yield (
            np.full((BATCH_SIZE, 2), 1e-3, "float32"),
            np.full((BATCH_SIZE, 1), number, "float32"),
        )


def fit(
    model: Any,
    start: int = 0,
    *,
    callbacks: Iterable[Any] = (),
    epochs: int = 2,
    initial_epoch: int = 0,
) -> None:
    """Fits `epochs` epochs of `STEPS` batches, which the pipeline numbers from `start`."""
    model.fit(
        numbered_batches(start),
        steps_per_epoch=STEPS,
        epochs=initial_epoch + epochs,
        initial_epoch=initial_epoch,
        shuffle=False,
        verbose=0,
        callbacks=list(callbacks),
    )
