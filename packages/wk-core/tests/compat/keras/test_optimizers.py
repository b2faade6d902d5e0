"""Optimizers are found wherever a model keeps them, and read without being changed."""

import keras
import numpy as np
import pytest

from wk_core.compat.keras.optimizers import (
    batches_trained,
    find_optimizers,
    learning_rate_setting,
    parts_of,
    trained_batches,
    unwrap_optimizer,
)
from wk_testing.versions import needs_multi_optimizer


def small_model():
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])


def adam(name=None):
    return keras.optimizers.Adam(name=name)


class Countdown:
    """Knows how to be applied, but is of no class of Keras'."""

    def __init__(self):
        self.iterations = 3
        self.learning_rate = 0.5

    def apply_gradients(self, gradients):
        raise NotImplementedError


class Settings:
    """Not an optimizer, whatever it is about."""

    iterations = 1000
    learning_rate = 0.1
    optimizer_class = keras.optimizers.Adam


def in_attributes(model):
    model.g_optimizer, model._d_optimizer = adam(), adam()


def in_containers(model):
    model.several = [adam(), {"fast": adam(), "slow": (adam(),)}]


def in_a_layer(model):
    model.layers[0].own = adam()


def in_a_model_in_an_attribute(model):
    model.generator = small_model()
    model.generator.compile(adam(), "mse")


def in_a_model_in_a_list(model):
    model.players = [small_model(), small_model()]
    model.players[1].compile(adam(), "mse")


def shared(model):
    model.compile(adam(), "mse")
    model.same = model.again = model.optimizer
    model.critic = small_model()
    model.critic.compile(model.optimizer, "mse")


def wrapped(model):
    inner = adam()
    model.compile(keras.optimizers.LossScaleOptimizer(inner), "mse")
    model.inner = inner


def in_parts(model):
    parts = keras.optimizers.OptimizerMap(adam("slow"))
    parts[".*kernel"] = model.fast = adam("fast")
    model.compile(keras.optimizers.MultiOptimizer(parts), "mse")


def of_no_class(model):
    model.own = Countdown()


def none(model):
    model.settings, model.kind, model.names = Settings(), keras.optimizers.Adam, ["adam"]


def in_a_cycle(model):
    model.own = adam()
    holder = {"self": None, "model": model}
    holder["self"] = holder
    vars(model)["holder"] = [holder]  # Keras' own tracking would not come back from it
    vars(model.layers[0])["parent"] = [model]


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (in_attributes, {"g_optimizer", "_d_optimizer"}),
        (in_containers, {"several/0", "several/1/fast", "several/1/slow/0"}),
        (in_a_layer, {"dense/own"}),
        (in_a_model_in_an_attribute, {"generator/optimizer"}),
        (in_a_model_in_a_list, {"players/1/optimizer"}),
        (shared, {"optimizer"}),
        (wrapped, {"optimizer"}),
        pytest.param(in_parts, {"optimizer"}, marks=needs_multi_optimizer),
        (of_no_class, {"own"}),
        (none, set()),
        (in_a_cycle, {"own"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_places(place, expected):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="dense")])
    place(model)
    assert set(find_optimizers(model)) == expected


@needs_multi_optimizer
def test_parts():
    model = small_model()
    in_parts(model)
    assert [part.name for part in parts_of(model.optimizer)] == ["fast", "slow"]
    assert parts_of(adam()) == []


def test_wrappers_within_wrappers():
    inner = adam()
    outer = keras.optimizers.LossScaleOptimizer(keras.optimizers.LossScaleOptimizer(inner))
    assert unwrap_optimizer(outer) is inner
    assert learning_rate_setting(outer) is inner._learning_rate


def test_counts():
    model = small_model()
    assert trained_batches(model) is None
    model.compile(adam(), "mse")
    assert trained_batches(model) == 0
    model.own = Countdown()
    assert trained_batches(model) == batches_trained(model.own) == 3
    model.fit(np.ones((8, 2)), np.ones((8, 1)), batch_size=8, verbose=0)
    assert trained_batches(model) == 1


def test_data_in_a_model_is_not_gone_through():
    class Long(list):
        def __iter__(self):
            for number in range(len(self)):
                assert number < 10_000
                yield number

    model = small_model()
    vars(model)["notes"] = {"values": Long([0] * 20_000)}
    assert find_optimizers(model) == {}
