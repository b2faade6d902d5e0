"""The direction of a metric: its own, its name's, its class's, or none."""

import keras
import pytest

from wk_core.monitor import metric_direction


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
