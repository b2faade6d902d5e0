"""Tables, images and histograms of a training whose numbers become NaN, and of odd columns."""

import keras
import numpy as np
import pytest
import wandb

from wk_legacy import WandbCallback
from wk_legacy.tables.evaluation_tables import prediction_table
from wk_testing.tables import logged_tables

NAN = float("nan")
X = np.random.default_rng(0).random((12, 4), "float32")
T = np.arange(12) % 3


class Diverge(keras.callbacks.Callback):
    """Makes all weights what they are not supposed to be, before the second epoch."""

    def __init__(self, value=NAN):
        super().__init__()
        self._value = value

    def on_epoch_begin(self, epoch, logs=None):  # noqa: ARG002
        if epoch == 1:
            weights = self.model.get_weights()
            self.model.set_weights([np.full_like(each, self._value) for each in weights])


def classifier(*layers, activation="softmax"):
    model = keras.Sequential([*layers, keras.layers.Dense(3, activation=activation)])
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def test_all_that_can_be_asked_for_of_a_training_that_diverges(offline_run, read_back):
    run = offline_run()
    images = np.stack([X.reshape(12, 2, 2, 1)] * 2, axis=1).reshape(12, 4, 2, 1)
    images[1] = NAN
    model = classifier(keras.Input((4, 2, 1)), keras.layers.Flatten())
    callback = WandbCallback(
        "loss",
        log_weights=True,
        log_gradients=True,
        training_data=(images[2:], T[2:]),
        validation_data=(images, T),
        labels=["a", "b", "c"],
        input_type="image",
        log_evaluation=True,
        log_evaluation_frequency=1,
        log_batch_frequency=1,
    )
    model.fit(images[2:], T[2:], epochs=3, verbose=0, callbacks=[Diverge(), callback])
    written = read_back(run)
    assert written.column("epoch") == [0, 1, 2]
    assert written.column("validation_predictions/nrows") == [12, 12, 12]
    assert written.column("examples/count") == [12, 12, 12]
    assert written.summary["best_epoch"] == 0
    assert any(key.endswith(".non_finite") for key in written.rows("epoch")[-1])
    tables = logged_tables(written, f"run-{run.id}-validation_predictions")
    assert tables[0].columns == tables[-1].columns
    assert {"output:max_class", "output:score"} <= set(tables[-1].columns)


@pytest.mark.parametrize("units", [1, 3])
def test_tables_of_outputs_that_become_nan(offline_run, read_back, units):
    run = offline_run()
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(units)])
    model.compile("sgd", "mse")
    x = X.copy()
    x[0, 1], x[2, 2] = NAN, np.inf
    callback = WandbCallback(
        "loss", validation_data=(x, X[:, :units]), log_evaluation=True, log_evaluation_frequency=1
    )
    model.fit(X, X[:, :units], epochs=2, verbose=0, callbacks=[Diverge(), callback])
    written = read_back(run)
    assert written.column("validation_predictions/nrows") == [12, 12]
    (data,) = logged_tables(written, "wb_validation_data")
    assert len(data.column("input")) == 12


@pytest.mark.backend_free
@pytest.mark.parametrize(
    "column",
    [
        [NAN, 1.0],
        [1.0, NAN],
        [[NAN, 1.0], [1.0, 2.0]],
        [[1.0, 2.0], [NAN, NAN]],
        [{"a": NAN}, {"a": 1.0}],
        [{"a": [1.0, NAN]}, {"a": [NAN, 1.0]}],
        [float("inf"), 1.0],
        [None, 1.0],
        [[], [1.0]],
        [[1.0], [1.0, 2.0]],
        ["a", 1],
        [{"a": 1}, {"b": "x"}],
        [np.float32(NAN), np.float32(1)],
    ],
)
def test_columns_of_a_processor(offline_run, read_back, column):
    run = offline_run()
    cells = [{"more": cell} for cell in column]
    source = wandb.Table(columns=["n"], data=[[0], [1]])
    table = prediction_table({"output": np.zeros((2, 3))}, source.get_index(), cells)
    run.log({"table": table})
    (logged,) = logged_tables(read_back(run), f"run-{run.id}-table")
    assert len(logged.column("more")) == 2
