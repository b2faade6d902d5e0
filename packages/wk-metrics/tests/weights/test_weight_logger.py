"""The weights of real trainings, read back."""

import keras
import numpy as np
import pytest

from wk_metrics.weights.weight_logger import WandbWeightLogger
from wk_metrics.weights.weight_names import weight_names
from wk_metrics.weights.weight_source import _parameter_names
from wk_testing.histograms import logged_histograms

X = np.random.default_rng(0).random((16, 4, 3)).astype("float32")
Y = X[:, 0, :1]


class Remember(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):  # noqa: ARG002
        self.seen.append(self.model.get_weights())


def test_every_weight_has_a_histogram(offline_run, read_back):
    encoder = keras.Sequential(
        [
            keras.Input((4, 3)),
            keras.layers.Dense(3, name="dense"),
            keras.layers.Dense(3, name="second"),
        ],
        name="encoder",
    )
    inputs = keras.Input((4, 3))
    x = encoder(inputs)
    x = keras.layers.Dense(3, name="dense")(x)
    x = keras.layers.MultiHeadAttention(1, 2, name="attention")(x, x)
    x = keras.layers.LayerNormalization(name="layer_norm")(x)
    x = keras.layers.LSTM(2, name="lstm")(x)
    x = keras.layers.BatchNormalization(name="batch_norm")(x)
    outputs = keras.layers.Dense(1, use_bias=False, name="head")(x)
    model = keras.Model(inputs, outputs)
    model.compile("adam", "mse")
    remember = Remember()
    run = offline_run()
    model.fit(X, Y, epochs=3, batch_size=4, verbose=0, callbacks=[WandbWeightLogger(), remember])

    written = read_back(run)
    assert written.column("epoch") == [0, 1, 2]
    assert written.step_metrics["parameters/*"] == "epoch"
    names = dict(_parameter_names(model))
    keys = [f"parameters/{names[id(weight)]}" for weight in model.weights]
    assert {
        *("parameters/dense.weights", "parameters/dense.bias", "parameters/head.weights"),
        *("parameters/layer_norm.weights", "parameters/layer_norm.bias"),
        *("parameters/encoder/dense/kernel", "parameters/encoder/dense/bias"),
        *("parameters/attention/query/kernel", "parameters/attention/attention_output/bias"),
        *("parameters/lstm/lstm_cell/kernel", "parameters/lstm/lstm_cell/recurrent_kernel"),
        *("parameters/batch_norm/gamma", "parameters/batch_norm/moving_variance"),
    } < set(keys)
    for row, weights in zip(written.history, remember.seen, strict=True):
        histograms = logged_histograms(row)
        assert set(histograms) == set(keys)
        for key, values in zip(keys, weights, strict=True):
            # In 32 bits NumPy refuses values that lie as close together as some of these.
            counts, edges = np.histogram(values.astype("float64"), 64)
            assert histograms[key] == (counts.tolist(), pytest.approx(edges.tolist(), 1e-4, 1e-6))


def test_weights_that_are_not_finite_are_said(offline_run, read_back):
    model = keras.Sequential([keras.Input((4, 3)), keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(np.inf), "mse")
    run = offline_run()
    model.fit(X, Y, verbose=0, callbacks=[WandbWeightLogger(every=1, run=run)])

    (row,) = read_back(run).history
    name = model.layers[-1].name
    counts, _ = logged_histograms(row)[f"parameters/{name}.weights"]
    left = sum(counts)
    assert row[f"parameters/{name}.weights.non_finite"] + left == 12
    assert row[f"parameters/{name}.weights.non_finite"] > 0


@pytest.mark.backend_free
def test_names_are_distinct_and_the_same_each_time():
    def nested(name):
        inputs = keras.Input((3,))
        return keras.Model(inputs, keras.layers.Dense(3, name="dense")(inputs), name=name)

    names = []
    for _ in range(2):
        inputs = keras.Input((3,))
        tied = keras.layers.Dense(3, name="tied")
        x = nested("one")(nested("two")(tied(tied(inputs))))
        model = keras.Sequential([keras.Input((3,)), keras.Model(inputs, x, name="whole")])
        names.append(list(weight_names(model).values()))
        flat = list(weight_names(model.layers[0]).values())
    assert names[0] == names[1]
    assert flat == [
        *("tied/kernel", "tied/bias", "two/dense/kernel", "two/dense/bias"),
        *("one/dense/kernel", "one/dense/bias"),
    ]
    assert len(set(names[0])) == 6


@pytest.mark.backend_free
def test_wrong_frequency_is_an_error(offline_run):
    offline_run()
    with pytest.raises(ValueError, match=r"`every` must be a whole number.*every=0"):
        WandbWeightLogger(every=0)


def test_every_counts_the_epochs_of_the_whole_training(offline_run, read_back):
    run = offline_run()
    model = keras.Sequential([keras.Input((4, 3)), keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile(loss="mse")
    logger = WandbWeightLogger(every=2, run=run)
    for _ in range(2):
        model.fit(X, Y, epochs=3, verbose=0, callbacks=[logger])
    assert read_back(run).column("epoch") == [1, 3, 5]
