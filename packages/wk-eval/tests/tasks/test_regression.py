"""Regression, held against scikit-learn."""

import keras
import numpy as np
import pytest
from sklearn import metrics

from wk_eval import RegressionEval
from wk_testing.tables import logged_tables

X = np.random.default_rng(0).normal(size=(30, 4)).astype("float32")
Y = X.sum(axis=1) + 1


def fit(y, *callbacks, outputs=1, epochs=2):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(outputs)])
    model.compile("sgd", "mse")
    model.fit(X, y, epochs=epochs, verbose=0, callbacks=list(callbacks))
    return model.predict(X, verbose=0)


def test_one_value(offline_run, read_back):
    run = offline_run()
    predicted = fit(Y, RegressionEval((X, Y), num_samples=None))[:, 0]

    written = read_back(run)
    table = logged_tables(written, f"run_{run.id}_pred")[-1]
    assert table.columns == ["epoch", "id", "input", "target", "prediction", "error"]
    assert table.column("input")[0] == pytest.approx(X[table.column("id")[0]].tolist())
    for _, number, _, target, prediction, error in table.rows:
        assert target == pytest.approx(Y[number])
        assert prediction == pytest.approx(predicted[number], rel=1e-4)
        assert error == pytest.approx(predicted[number] - Y[number], abs=1e-4)
    sizes = np.abs(table.column("error"))
    assert (np.diff(sizes) <= 0).all()
    row = written.history[-1]
    assert row["val/mae"] == pytest.approx(metrics.mean_absolute_error(Y, predicted), rel=1e-4)
    assert row["val/rmse"] == pytest.approx(metrics.root_mean_squared_error(Y, predicted), rel=1e-4)
    assert row["val/r2"] == pytest.approx(metrics.r2_score(Y, predicted), rel=1e-4)
    assert row["val/max_error"] == pytest.approx(sizes.max(), rel=1e-4)
    assert row["val/residual_picture/format"] == "png"
    assert row["val/residuals_table/nrows"] == 30
    assert row["val/worst_predictions/nrows"] == 16
    (moves,) = logged_tables(written, f"run_{run.id}_moves")
    for line in moves.rows:
        assert line[3] == pytest.approx(line[-1] - line[-2])


@pytest.mark.backend_free
def test_several_values(offline_run, read_back):
    run = offline_run()
    y = np.stack([Y, -Y], axis=1)
    evaluation = RegressionEval((X, y), labels=["up", "down"], num_samples=None)
    predicted = fit(y, evaluation, outputs=2)

    written = read_back(run)
    table = logged_tables(written, f"run_{run.id}_pred")[-1]
    assert table.columns[3:] == [
        *("target up", "target down", "prediction up", "prediction down", "error up", "error down")
    ]
    row = written.history[-1]
    assert row["val/mae/down"] == pytest.approx(np.abs(predicted - y)[:, 1].mean(), rel=1e-4)
    assert row["val/r2"] == pytest.approx(metrics.r2_score(y, predicted), rel=1e-4)


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("y", "arguments", "telling"),
    [
        (np.stack([Y, Y], axis=1), {}, r"as many values as there are targets.*shape \(30, 2\)"),
        (np.array(["a"] * 30), {}, "must be numbers"),
        (Y, {"labels": ["a", "b"]}, r"name each of the 1 values. Received: labels=\['a', 'b'\]"),
    ],
)
def test_what_does_not_fit(offline_run, y, arguments, telling):
    offline_run()
    with pytest.raises(ValueError, match=telling):
        fit(Y, RegressionEval((X, y), **arguments))
