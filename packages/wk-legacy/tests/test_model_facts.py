"""What describes a model is left out where it cannot be had, and changes nothing."""

import functools
import math

import keras
import numpy as np
import pytest
import wandb

from wk_legacy import WandbCallback
from wk_legacy.model_facts import model_facts
from wk_metrics import WandbMetricsLogger
from wk_metrics.model.info import describe_model

X = np.random.default_rng(0).random((16, 4), "float32")
Y = X.sum(axis=1, keepdims=True)


class Headed(keras.Model):
    def __init__(self):
        super().__init__()
        self.head = keras.layers.Dense(1, name="head")
        self.other = keras.layers.Dense(1, name="head")

    def call(self, inputs):
        return self.head(inputs) + self.other(inputs)


class WithoutLayers(Headed):
    @property
    def layers(self):
        raise RuntimeError("not mine")


class WithOtherLayers(Headed):
    @property
    def layers(self):
        return ["a text", self.head]

    def count_params(self):
        raise RuntimeError("not mine")

    def summary(self, *_, **__):
        raise RuntimeError("not mine")


class Unwritten(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule without a configuration."""

    def __call__(self, step):  # noqa: ARG002
        return keras.ops.convert_to_tensor(0.01)


def sequential(*layers, shape=(4,)):
    return keras.Sequential([keras.Input(shape), *layers, keras.layers.Dense(1)])


def shared():
    inputs, layer = keras.Input((4,)), keras.layers.Dense(4)
    return keras.Model(inputs, keras.layers.Dense(1)(layer(layer(inputs))))


def dictionaries():
    one, other = keras.Input((4,), name="one"), keras.Input((2,), name="other")
    both = keras.layers.Concatenate()([one, other])
    return keras.Model({"one": one, "other": other}, {"out": keras.layers.Dense(1)(both)})


def quantized():
    quantizing = keras.layers.Dense(4)
    model = sequential(quantizing)
    quantizing.quantize("int8")
    return model


def stateful():
    recurrent = keras.layers.LSTM(2, stateful=True, recurrent_dropout=0.5)
    inputs = keras.Input(batch_shape=(8, 4, 1))
    return keras.Model(inputs, keras.layers.Dense(1)(recurrent(inputs)))


def recurrent():
    return sequential(keras.layers.GRU(2, recurrent_dropout=0.5), shape=(4, 1))


def with_lora():
    model = sequential(keras.layers.Dense(8))
    model.layers[0].enable_lora(2)
    return model


MODELS = {
    "unbuilt": lambda: keras.Sequential([keras.layers.Dense(2), keras.layers.Dense(1)]),
    "shared": shared,
    "dictionaries": dictionaries,
    "quantized": quantized,
    "with LoRA": with_lora,
    "recurrent": recurrent,
    "stateful": stateful,
    "any length": lambda: sequential(keras.layers.LSTM(2), shape=(None, 1)),
    "regularized": lambda: sequential(
        keras.layers.Dense(2, activity_regularizer="l2"), keras.layers.Dropout(0.5)
    ),
    "two layers of a name": Headed,
    "layers that raise": WithoutLayers,
    "layers that are none": WithOtherLayers,
    "an optimizer without a configuration": sequential,
    "a loss without a name": sequential,
}


def compiled(name):
    keras.utils.set_random_seed(3)
    model = MODELS[name]()
    optimizer = keras.optimizers.SGD(Unwritten()) if "optimizer" in name else "sgd"
    loss = functools.partial(keras.losses.huber, delta=2.0) if "a loss" in name else "mse"
    model.compile(optimizer, loss)
    return model


def in_a_training(name, *callbacks):
    model = compiled(name)
    x = X[..., None] if name == "recurrent" else X
    model.fit(x, Y, batch_size=8, epochs=2, verbose=0, shuffle=False, callbacks=list(callbacks))
    return model


@pytest.fixture
def said(monkeypatch):
    texts = []
    for say in ("termlog", "termwarn"):
        monkeypatch.setattr(wandb, say, texts.append)
    return texts


@pytest.mark.parametrize("name", MODELS)
def test_models_are_described_as_far_as_they_can_be(said, name):
    model = compiled(name)
    if not model.built:
        model(X)
    info = describe_model(model)
    facts = model_facts(model, graph=True, flops=True)

    sizes = [math.prod(each.shape) for each in model.weights]
    assert info["parameters"]["total"] == sum(sizes) > 0
    assert ("graph" in facts) == (not isinstance(model, Headed))
    assert ("GFLOPs" in facts) == (not any("GFLOPs" in text for text in said))
    if "graph" in facts:
        assert sum(node.num_parameters for node in facts["graph"].nodes) == sum(sizes)
    else:
        assert set(info["layers"]) == {"head", "head_1"}
        assert [row[0] for row in facts["model/layers"].data] == ["head", "head_1"]
    if "optimizer" in name:
        assert info["optimizer"] == {"class": "SGD"}
        assert any("settings of optimizer SGD: NotImplementedError" in text for text in said)
    if "a loss" in name:
        assert info["loss"] == "huber"


@pytest.mark.parametrize("name", ["recurrent", "layers that raise"])
def test_describing_a_model_changes_nothing(offline_run, read_back, said, name):
    run = offline_run()
    facts = WandbCallback("loss", compute_flops=True, log_weights=True, save_model=False)
    model = in_a_training(name, facts, WandbMetricsLogger(log_model_info=True))
    assert len(said) == len(set(said)), said
    written = read_back(run)
    assert written.summary["model/parameters"] == model.count_params()
    assert written.summary["model/layers"]["nrows"] == len(written.config["model_info"]["layers"])
    for one, other in zip(model.get_weights(), in_a_training(name).get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="models take text there")
def test_models_that_take_text(said):
    inputs = keras.Input((1,), dtype="string")
    numbers = keras.layers.StringLookup(vocabulary=["a", "b"], output_mode="one_hot")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(1)(numbers))
    assert [*model_facts(model, graph=True, flops=True)] == ["graph"]
    assert ["cannot be counted" in text for text in said] == [True]
