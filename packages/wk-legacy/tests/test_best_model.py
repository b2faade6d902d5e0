"""Models that Keras cannot save as a whole do not end a training with `WandbCallback`."""

import functools
from pathlib import Path

import keras
import numpy as np
import pytest
import wandb

from wk_checkpoint import restore
from wk_legacy import WandbCallback
from wk_testing.versions import require_refused_configurations

X = np.random.default_rng(0).random((32, 4), "float32")
Y = X.sum(axis=1, keepdims=True)


class Wrapper(keras.layers.Layer):
    """A layer without a configuration."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, inputs):
        return self.function(inputs)


class AutoEncoder(keras.Model):
    """A model whose constructor takes models."""

    def __init__(self, encoder, decoder):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def call(self, inputs):
        return self.decoder(self.encoder(inputs))


class Unwilling(keras.Model):
    """A model with a configuration that is no configuration."""

    def __init__(self):
        super().__init__()
        self.head = keras.layers.Dense(1)

    def call(self, inputs):
        return self.head(inputs)

    def get_config(self):
        raise RuntimeError("there is none")


def with_a_layer():
    return keras.Sequential([keras.Input((4,)), Wrapper(lambda x: 2 * x), keras.layers.Dense(1)])


def auto_encoder(*, built=False):
    parts = [keras.Sequential([keras.layers.Dense(2)]), keras.Sequential([keras.layers.Dense(1)])]
    model = AutoEncoder(*parts)
    if built:
        model(X[:1])
    return model


def with_a_loss():
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])


MODELS = {
    "a layer without a configuration": with_a_layer,
    "a loss without a name": with_a_loss,
    "models in the constructor": auto_encoder,
    "models in the constructor, built": functools.partial(auto_encoder, built=True),
    "a configuration that raises": Unwilling,
}


def compiled(name):
    model = MODELS[name]()
    loss = functools.partial(keras.losses.huber, delta=2.0) if "loss" in name else "mse"
    model.compile("adam", loss)
    return model


def warnings_of(monkeypatch):
    said = []
    monkeypatch.setattr(wandb, "termwarn", said.append)
    return said


@pytest.mark.parametrize("name", MODELS)
def test_weights_stand_in_for_a_model_that_cannot_be_saved(
    offline_run, read_back, monkeypatch, name
):
    if name.startswith("models in the constructor"):
        require_refused_configurations()
    run, said = offline_run(), warnings_of(monkeypatch)
    model = compiled(name)
    callback = WandbCallback("loss")
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[callback])
    model.fit(X, Y, epochs=1, verbose=0, callbacks=[callback])
    (reason,) = [each for each in said if "cannot be saved as a whole model: " in each]
    assert repr(model.name) in reason
    assert "'model-best.weights.h5'" in reason

    again = compiled(name)
    again(X[:1])
    restore(again, Path(run.dir, "model-best.weights.h5"))
    for one, other in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    written = read_back(run)
    assert written.column("epoch") == [0, 1, 0]
    assert written.summary["best_epoch"] == 0
    versions = [each for each in written.artifacts if each.name.startswith("model-")]
    files = {entry.path for each in versions for entry in each.manifest.contents}
    assert files == {"model-best.weights.h5"}


def test_weights_alone_need_no_configuration(offline_run, monkeypatch):
    run, said = offline_run(), warnings_of(monkeypatch)
    callback = WandbCallback("loss", save_weights_only=True)
    compiled("a layer without a configuration").fit(X, Y, verbose=0, callbacks=[callback])
    assert said == []
    assert Path(run.dir, "model-best.weights.h5").is_file()


def test_the_next_model_is_saved_as_a_whole(offline_run):
    run = offline_run()
    callback = WandbCallback("loss", mode="max")
    compiled("a configuration that raises").fit(X, Y, verbose=0, callbacks=[callback])
    whole = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    whole.compile("sgd", "mse")
    whole.fit(X, 1e3 * Y, verbose=0, callbacks=[callback])
    assert Path(run.dir, "model-best.keras").is_file()


def test_a_model_of_which_nothing_can_be_saved(offline_run, read_back, monkeypatch):
    class Stubborn(keras.layers.Dense):
        def save_own_variables(self, store):  # noqa: ARG002
            raise ValueError("not mine")

    run, said = offline_run(), warnings_of(monkeypatch)
    model = keras.Sequential([keras.Input((4,)), Stubborn(1)])
    model.compile("sgd", "mse")
    model.fit(X, Y, epochs=3, verbose=0, callbacks=[WandbCallback("loss")])
    assert len(said) == 1
    assert "ValueError: not mine. Training goes on; its best epoch is noted without" in said[0]
    written = read_back(run)
    assert written.column("epoch") == [0, 1, 2]
    assert written.artifacts == []
    assert written.summary["best_epoch"] == 2


def test_a_disk_that_takes_nothing_comes_back(offline_run):
    run = offline_run()
    Path(run.dir, "model-best.keras").mkdir()
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(Exception, match=r"model-best\.keras"):
        model.fit(X, Y, epochs=3, verbose=0, callbacks=[WandbCallback("loss")])
