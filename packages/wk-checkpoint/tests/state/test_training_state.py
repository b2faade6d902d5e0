"""Random numbers and recurrent states are restored."""

import random

import numpy as np
import pytest

from wk_checkpoint import WandbModelCheckpoint, restore
from wk_checkpoint.state import random_state
from wk_checkpoint.state.serialization import decode, encode
from wk_core.compat.keras.flavour import backend, keras
from wk_testing.saving import X, Y, assert_same_state, fit


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.skipif(backend() == "torch", reason="Keras cannot train them on PyTorch")
def test_states_of_recurrent_layers_come_back(offline_run):
    offline_run()

    def build():
        keras.utils.set_random_seed(3)
        recurrent = keras.layers.LSTM(3, stateful=True)
        model = keras.Sequential(
            [keras.Input(batch_shape=(8, 2, 2)), recurrent, keras.layers.Dense(1)]
        )
        model.compile("sgd", "mse", run_eagerly=backend() != "jax")
        return model

    def train(model, callbacks=(), **arguments):
        data = X.reshape(16, 2, 2), Y
        model.fit(*data, batch_size=8, shuffle=False, verbose=0, callbacks=callbacks, **arguments)

    whole, restored = build(), build()
    train(
        whole,
        [WandbModelCheckpoint("{epoch}.weights.h5", "loss", save_weights_only=True)],
        epochs=3,
    )
    state = restore(restored, "1.weights.h5")
    train(restored, initial_epoch=state.initial_epoch, epochs=3)
    assert_same_state(whole, restored)


def test_random_numbers_go_on_without_callbacks(offline_run):
    offline_run()

    def build():
        keras.utils.set_random_seed(3)
        layers = [keras.layers.Dense(8), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
        model = keras.Sequential([keras.Input((4,)), *layers])
        model.compile("sgd", "mse")
        return model

    whole = build()
    fit(whole, [WandbModelCheckpoint("{epoch}.keras", "loss")], epochs=3)
    restored = build()
    state = restore(restored, "1.keras")
    restored.evaluate(X, Y, verbose=0)
    fit(restored, initial_epoch=state.initial_epoch, epochs=3)
    assert_same_state(whole, restored)


def test_random_numbers_come_back():
    state = decode(encode(random_state.capture()))
    drawn = [random.gauss(0, 1), random.random(), *np.random.random(5)]
    random_state.restore(state)
    assert [random.gauss(0, 1), random.random(), *np.random.random(5)] == drawn
