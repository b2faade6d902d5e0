"""Models that are saved by wk and by Keras side by side, and what the two files hold."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from wk_checkpoint import WandbModelCheckpoint, restore
from wk_core.compat.keras.flavour import keras, values_of
from wk_core.compat.keras.saved_objects import SavedObjects, own_variables

X = np.random.default_rng(0).random((16, 4)).astype("float32")
Y = X.sum(1, keepdims=True)


def both(
    path: str = "{epoch}.weights.h5", *, artifact: str | None = None, **arguments: Any
) -> list[Any]:
    """Returns wk's callback and Keras' own, which write `wk-<path>` and `keras-<path>`."""
    arguments = {"monitor": "loss", "save_weights_only": path.endswith(".weights.h5"), **arguments}
    return [
        WandbModelCheckpoint(f"wk-{path}", artifact=artifact, **arguments),
        keras.callbacks.ModelCheckpoint(f"keras-{path}", **arguments),
    ]


def fit(model: Any, callbacks: Iterable[Any] = (), **arguments: Any) -> Any:
    """Trains a model on `X` and `Y` for two epochs of two batches, unless told otherwise."""
    arguments = {"batch_size": 8, "shuffle": False, "verbose": 0, "epochs": 2, **arguments}
    return model.fit(X, Y, callbacks=list(callbacks), **arguments)


def gone_on(build: Callable[[], Any], path: str, *, epochs: int = 3) -> Any:
    """Trains on from a checkpoint in a fresh instance; returns it."""
    model = build()
    state = restore(model, path)
    fit(model, initial_epoch=state.initial_epoch, epochs=epochs)
    return model


def assert_same_file(path: str | Path, other: str | Path) -> None:
    """Asserts that two files of weights hold the same arrays, without those that wk adds."""
    ours, theirs = _arrays(path), _arrays(other)
    assert list(ours) == list(theirs)
    for name, array in ours.items():
        np.testing.assert_array_equal(array, theirs[name], err_msg=name)


def assert_same_state(model: Any, other: Any) -> None:
    """Asserts that every variable of every saved object is the same in two models."""
    for one, another in zip(_state_of(model), _state_of(other), strict=True):
        np.testing.assert_array_equal(one, another)


def _arrays(path: str | Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with h5py.File(path, "r") as file:
        file.visititems(
            lambda name, item: found.update({name: item[()]}) if hasattr(item, "shape") else None
        )
    return {name: array for name, array in found.items() if not name.startswith("wk_")}


def _state_of(model: Any) -> list[Any]:
    variables = {}
    for one in SavedObjects().of(model):
        own = one.holder.variables if one.is_optimizer else own_variables(one.holder)
        for variable in own:
            variables[id(variable)] = variable
    return values_of(variables.values())


class Pair(keras.Model):  # type: ignore[misc]  # Keras ships no types
    """A model whose configuration Keras cannot serialize: it is made of other models."""

    def __init__(self, encoder: Any, decoder: Any, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.encoder, self.decoder = encoder, decoder

    def call(self, inputs: Any) -> Any:
        """Returns the decoder's output."""
        return self.decoder(self.encoder(inputs))


def pair() -> Any:
    """Returns a built and compiled `Pair`, the same each time."""
    keras.utils.set_random_seed(3)
    model = Pair(
        keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]),
        keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]),
    )
    model.compile("adam", "mse")
    model(X[:1])
    return model
