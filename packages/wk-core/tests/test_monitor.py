"""Better than before; and the direction of a metric: its own, its name's, its class's, or none."""

import math
import warnings

import keras
import pytest

from wk_core.monitor import BestValue, MonitoredMetric, metric_direction


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("name", "direction"),
    [
        ("loss", "min"),
        ("val_head_loss", "min"),
        ("val_acc_1", "max"),
        ("top5_accuracy", "max"),
        ("f1", "max"),
        ("val_r2_score", "max"),
        ("accuracy_loss", "min"),
        ("brightness", None),
        ("f7", None),
    ],
)
def test_by_name(name, direction):
    assert metric_direction(name, keras.Sequential([keras.layers.Dense(1)])) == direction


def predicted(target, prediction):
    return prediction + 0 * target


class BrightnessError(keras.metrics.MeanMetricWrapper):
    pass


@pytest.mark.parametrize(
    ("metric", "direction"),
    [
        (keras.metrics.AUC(name="mine"), "max"),
        (keras.metrics.MeanSquaredError(name="accuracy"), "min"),  # its own word counts first
        (BrightnessError(predicted, name="mine"), "min"),
        (keras.metrics.MeanMetricWrapper(predicted, name="mine"), None),
    ],
)
def test_by_metric(metric, direction):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, "sigmoid")])
    model.compile("sgd", "mse", metrics=[metric])
    x = keras.ops.zeros((2, 1))
    model.evaluate(x, x, verbose=0)
    assert metric_direction(f"val_{metric.name}", model) == direction


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("name", "mode", "best", "expected"),
    [
        ("loss", "auto", None, [True, False, False, True]),
        ("loss", "max", None, [True, False, True, False]),
        ("brightness", "min", 1.5, [False, False, False, True]),
    ],
)
def test_better_than_before(name, mode, best, expected):
    metric = MonitoredMetric(name, mode, best)
    compared = BestValue(metric, "Test")
    assert compared.required_direction(keras.Sequential()) == ("min" if mode == "auto" else mode)
    assert [compared.improves(value) for value in (2.0, math.nan, 3.0, 1.0)] == expected
    assert metric.best == (3.0 if mode == "max" else 1.0)


@pytest.mark.backend_free
def test_unknown_direction():
    compared = BestValue(MonitoredMetric("brightness"), "Test")
    assert compared.direction(keras.Sequential()) is None
    with pytest.raises(ValueError, match=r"Test cannot tell .*monitor='brightness', mode='auto'"):
        compared.required_direction(keras.Sequential())


@pytest.mark.backend_free
def test_the_owners_operator_counts():
    metric = MonitoredMetric("loss", monitor_op=lambda value, best: value > best + 0.6)
    compared = BestValue(metric, "Test")
    assert compared.direction(keras.Sequential()) == "max"
    assert [compared.improves(value) for value in (1.0, 1.5, 3.0)] == [True, False, True]


@pytest.mark.backend_free
def test_missing_is_said_once():
    compared = BestValue(MonitoredMetric("val_loss"), "Test")
    with pytest.warns(UserWarning, match=r"Test: .*'val_loss' is missing, so .*there: 'loss'\."):
        compared.warn_missing({"loss": 1.0}, "nothing is saved")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compared.warn_missing({"loss": 1.0}, "nothing is saved")
