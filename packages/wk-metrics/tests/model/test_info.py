"""The facts about a model that `log_model_info` puts into the run."""

import keras
import numpy as np
import pytest

from wk_metrics import WandbMetricsLogger
from wk_metrics.model.info import describe_model
from wk_testing.training import counting_model, fit


def test_facts_are_logged_once(offline_run, read_back):
    model = counting_model(keras.optimizers.Adam(0.25, beta_1=0.5))
    run = offline_run()
    logger = WandbMetricsLogger(run=run, log_model_info=True)
    fit(model, callbacks=[logger])
    model.compile("sgd", "mae")
    fit(model, callbacks=[logger])

    written = read_back(run)
    info = written.config["model_info"]
    assert info["class"] == "Sequential"
    assert info["parameters"] == {"total": 3, "trainable": 3, "non_trainable": 0}
    assert info["optimizer"]["class"] == "Adam"
    assert info["optimizer"]["beta_1"] == 0.5
    assert info["optimizer"]["learning_rate"] == pytest.approx(0.25)
    assert info["loss"] == "mse"
    assert info["metrics"] == ["seen"]
    (layer,) = info["layers"].values()
    assert layer == {
        "class": "Dense",
        "output_shape": [None, 1],
        "parameters": 3,
        "trainable": True,
    }
    assert written.summary["model/parameters"] == 3
    assert written.summary["model/trainable_parameters"] == 3
    assert written.summary["model/non_trainable_parameters"] == 0
    assert written.summary["model/layers"]["nrows"] == 1


@pytest.mark.backend_free
def test_nothing_is_logged_unless_asked(offline_run, read_back):
    run = offline_run()
    fit(counting_model(), callbacks=[WandbMetricsLogger(run=run)])

    written = read_back(run)
    assert "model_info" not in written.config
    assert not any(key.startswith("model/") for key in written.summary)


def test_scheduled_rate_and_frozen_layers():
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.BatchNormalization(), keras.layers.Dense(2)]
    )
    model.layers[1].trainable = False
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    model.compile(keras.optimizers.SGD(schedule), keras.losses.MeanSquaredError(), metrics=["mae"])
    model.fit(np.zeros((2, 4)), np.zeros((2, 2)), verbose=0)

    info = describe_model(model)
    assert info["parameters"] == {"total": 26, "trainable": 8, "non_trainable": 18}
    assert info["optimizer"]["learning_rate"]["class_name"] == "CosineDecay"
    assert info["loss"] == "mean_squared_error"
    assert info["metrics"] == ["mae"]
    assert [layer["trainable"] for layer in info["layers"].values()] == [True, False]


@pytest.mark.backend_free
def test_several_inputs_and_outputs():
    a, b = keras.Input((2,), name="a"), keras.Input((2,), name="b")
    both = keras.layers.Concatenate()([a, b])
    outputs = {
        "one": keras.layers.Dense(1, name="one")(both),
        "two": keras.layers.Dense(3, name="two")(both),
    }
    model = keras.Model([a, b], outputs)
    model.compile("sgd", {"one": "mse", "two": keras.losses.MeanAbsoluteError(name="own")})

    info = describe_model(model)
    assert info["loss"] == {"one": "mse", "two": "own"}
    assert info["layers"]["a"]["output_shape"] == [None, 2]
    assert info["layers"]["two"]["output_shape"] == [None, 3]


@pytest.mark.backend_free
def test_subclassed_model(offline_run, read_back):
    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(1)

        def call(self, x):
            return self.dense(x)

    model = Subclassed()
    model.compile("sgd", "mse")
    run = offline_run()
    fit(model, callbacks=[WandbMetricsLogger(run=run, log_model_info=True)])

    info = read_back(run).config["model_info"]
    assert info["class"] == "Subclassed"
    assert info["parameters"]["total"] == 3
    (layer,) = info["layers"].values()
    assert layer["parameters"] == 3
