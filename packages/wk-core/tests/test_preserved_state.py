"""What looking at a model may touch is as it was before."""

import random

import keras
import numpy as np
import pytest

from wk_core.compat.keras.flavour import backend, global_seed_generator
from wk_core.preserved_state import preserve_random_state, preserve_state

X = np.ones((4, 3), "float32")


def numbers(model):
    return [keras.ops.convert_to_numpy(each).copy() for each in model.variables]


def test_statistics_and_seeds_are_put_back():
    layers = [keras.layers.BatchNormalization(), keras.layers.Dropout(0.5), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input((3,)), *layers])
    before = numbers(model)
    with preserve_state(model):
        model(X, training=True)
        assert not all(map(np.array_equal, before, numbers(model)))
    assert all(map(np.array_equal, before, numbers(model)))


def test_trained_weights_are_put_back_where_asked():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    before = numbers(model)
    with preserve_state(model, weights=True):
        model.set_weights([2 * each + 1 for each in before])
    assert all(map(np.array_equal, before, numbers(model)))


def test_state_is_put_back_when_the_block_raises():
    model = keras.Sequential([keras.Input((3,)), keras.layers.BatchNormalization()])
    before = numbers(model)

    def train_and_raise():
        model(X, training=True)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), preserve_state(model):
        train_and_raise()
    assert all(map(np.array_equal, before, numbers(model)))


def test_global_random_numbers_are_put_back():
    def draw():
        drawn = [random.random(), np.random.random(), keras.random.normal((2,))]
        if backend() == "torch":
            import torch

            drawn.append(torch.rand(2))
        return [np.asarray(keras.ops.convert_to_numpy(each)) for each in drawn]

    def begin():
        keras.utils.clear_session()  # Keras' own generator: up to 3.12 a seed does not reset it
        keras.utils.set_random_seed(1)
        draw()  # which makes it

    begin()
    wanted = draw()
    begin()
    with preserve_random_state():
        draw()
    assert all(map(np.array_equal, draw(), wanted))


def test_generator_of_global_seeds_is_not_made():
    keras.utils.clear_session()
    random.seed(2)
    wanted = random.random()
    random.seed(2)
    with preserve_random_state():
        keras.random.normal((2,))
    assert global_seed_generator() is None
    assert random.random() == wanted


@pytest.mark.skipif(backend() != "tensorflow", reason="lookup tables are TensorFlow's")
def test_tables_are_put_back():
    import tensorflow as tf

    class Seen(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.table = tf.lookup.experimental.MutableHashTable(tf.int64, tf.int64, -1)

        def call(self, x):
            self.table.insert(tf.constant([7], tf.int64), tf.constant([1], tf.int64))
            return x

    layer = Seen()
    layer.table.insert(tf.constant([3], tf.int64), tf.constant([1], tf.int64))
    model = keras.Sequential([layer])
    with preserve_state(model):
        model(X)
        assert int(layer.table.size()) == 2
    assert layer.table.export()[0].numpy().tolist() == [3]


@pytest.mark.skipif(backend() != "torch", reason="modules are PyTorch's")
def test_modules_of_pytorch_are_put_back():
    import torch

    class Own(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.calls, self.tensor = torch.nn.BatchNorm1d(3), 0, torch.zeros(1)
            self.register_buffer("replaced", torch.zeros(1))

        def forward(self, x):
            self.calls += 1
            self.tensor += 1
            self.replaced = self.replaced + 1
            return self.norm(x) + self.tensor + self.replaced

    module = Own()
    wrapped = keras.layers.TorchModuleWrapper(module, output_shape=(None, 3))
    model = keras.Sequential([keras.Input((3,)), wrapped])
    module.eval()
    calls = module.calls
    before = {name: value.clone() for name, value in module.state_dict().items()}
    tensor = module.tensor.clone()
    with preserve_state(model):
        model(torch.ones(4, 3), training=True)
        assert int(module.norm.num_batches_tracked) > int(before["norm.num_batches_tracked"])
    after = module.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert (module.calls, module.training, module.norm.training) == (calls, False, False)
    assert torch.equal(module.tensor, tensor)
