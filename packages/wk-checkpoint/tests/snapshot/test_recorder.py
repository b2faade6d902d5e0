"""Models that save themselves, and those that cannot be saved."""

import numpy as np
import pytest
import wandb

from wk_checkpoint import CheckpointError, WandbModelCheckpoint
from wk_core.compat.keras.flavour import keras
from wk_testing.saving import X, assert_same_file, both, fit


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def said(monkeypatch):
    """What is said in the terminal."""
    texts = []
    monkeypatch.setattr(wandb, "termlog", texts.append)
    return texts


def overriding(*methods):
    """Returns a model whose own ways to save itself save a part of it."""

    class Partly(keras.Model):
        def __init__(self):
            super().__init__()
            self.g = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8)])
            self.d = keras.layers.Dense(1)

        def call(self, inputs):
            return self.d(self.g(inputs))

    if "save" in methods:
        Partly.save = lambda self, path, **arguments: self.g.save(path, **arguments)
    if "save_weights" in methods:
        Partly.save_weights = lambda self, path, **arguments: self.g.save_weights(path, **arguments)
    model = Partly()
    model.compile("adam", "mse")
    model(X[:1])
    return model


@pytest.mark.parametrize("methods", [("save",), ("save_weights",), ("save", "save_weights")])
def test_a_model_that_saves_itself_in_its_own_way(offline_run, said, methods):
    model = overriding(*methods)
    paths = {"save": "{epoch}.keras", "save_weights": "{epoch}.weights.h5"}
    offline_run()
    callbacks = [
        each for method in methods for each in both(paths[method], artifact=f"model-{method}")
    ]
    fit(model, callbacks)
    for epoch in (1, 2):
        if "save" in methods:
            ours, theirs = (
                keras.saving.load_model(f"{who}-{epoch}.keras") for who in ("wk", "keras")
            )
            assert len(ours.layers) == 1
            for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
                np.testing.assert_array_equal(one, other)
        if "save_weights" in methods:
            assert_same_file(f"wk-{epoch}.weights.h5", f"keras-{epoch}.weights.h5")
    waits = [text for text in said if "training waits" in text]
    assert len(waits) == len(methods)
    assert all("Partly has a `save" in text for text in waits)


def test_what_a_models_own_way_writes_beside_is_kept(offline_run, inside):
    offline_run()

    class Two(keras.Sequential):
        def save_weights(self, path, **arguments):
            super().save_weights(path, **arguments)
            super().save_weights(str(path).replace(".weights", "-second.weights"), **arguments)

    model = Two([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    fit(model, both("m.weights.h5"))
    assert_same_file("wk-m-second.weights.h5", "keras-m-second.weights.h5")
    assert not list(inside.glob(".wk-*"))


def test_a_layer_whose_way_to_save_fails_in_both_is_an_error(offline_run):
    offline_run()

    class Broken(keras.layers.Layer):
        def call(self, inputs):
            return inputs

        def save_own_variables(self, store):  # noqa: ARG002
            raise RuntimeError("no way")

    model = keras.Sequential([keras.Input((4,)), Broken(), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(CheckpointError, match="no way"):
        fit(model, [WandbModelCheckpoint("m.weights.h5", "loss", save_weights_only=True)])
