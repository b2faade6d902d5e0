"""A tiny training whose every number follows from the arrays here."""

from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from wk_core.compat.keras.flavour import PyDataset, keras

BATCHES: Final = 4
BATCH_SIZE: Final = 4
X: Final = np.linspace(-1, 1, BATCHES * BATCH_SIZE * 3, dtype="float32").reshape(-1, 3)
Y: Final = (X.sum(1, keepdims=True) * 0.5 + X[:, :1] ** 2).astype("float32")
VALIDATION: Final = (X[::2] * 0.5, Y[::2])


def linear_model(optimizer: Any = None, *, metrics: Any = ("mae",), **arguments: Any) -> Any:
    """Returns a compiled model of one layer with three weights and a bias."""
    model = keras.Sequential(
        [keras.Input((3,), name="inputs"), keras.layers.Dense(1, name="dense")], name="linear"
    )
    model.compile(optimizer or sgd(0.1), "mse", metrics=list(metrics), **arguments)
    return with_weights(model)


def sgd(rate: Any, **arguments: Any) -> Any:
    """Returns plain gradient descent."""
    return keras.optimizers.SGD(rate, **{"name": "sgd"} | arguments)


def with_weights(model: Any) -> Any:
    """Sets the weights of a model or a layer to the same numbers everywhere; returns it."""
    weights = [np.asarray(each) for each in model.get_weights()]
    model.set_weights(
        [np.sin(1.7 * np.arange(each.size)).reshape(each.shape) / 2 for each in weights]
    )
    return model


def fit(model: Any, callbacks: Iterable[Any] = (), **arguments: Any) -> Any:
    """Trains on `X` and `Y` for two epochs of four batches, in order, unless told otherwise."""
    arguments = {"batch_size": BATCH_SIZE, "epochs": 2, "shuffle": False, "verbose": 0} | arguments
    return model.fit(X, Y, callbacks=list(callbacks), **arguments)


class Batches(PyDataset):  # type: ignore[misc]  # Keras ships no types
    """The batches of `X` and `Y`, in an order of their own, the same in each epoch."""

    def __len__(self) -> int:
        """Returns the number of batches."""
        return BATCHES

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Returns a batch."""
        chosen = (np.arange(BATCH_SIZE) + index * BATCH_SIZE) * 7 % len(X)
        return X[chosen], Y[chosen]
