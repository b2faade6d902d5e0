"""A snapshot holds what a model was at one moment, as Keras itself would have saved it."""

import numpy as np
import pytest

from wk_checkpoint import restore
from wk_core.compat.keras.flavour import backend, keras, values_of
from wk_testing.saving import X, assert_same_file, assert_same_state, both, fit, gone_on, pair


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lora(layer, shape):
    def build():
        keras.utils.set_random_seed(3)
        model = keras.Sequential(
            [keras.Input(shape), layer(), keras.layers.Flatten(), keras.layers.Dense(1)]
        )
        model.layers[0].enable_lora(2)
        model.compile("adam", "mse", run_eagerly=backend() != "jax")
        return model

    return build


LORA = {
    "Dense": lora(lambda: keras.layers.Dense(8), (4,)),
    "EinsumDense": lora(lambda: keras.layers.EinsumDense("ab,bc->ac", 8, bias_axes="c"), (4,)),
    "Embedding": lora(lambda: keras.layers.Embedding(2, 8), (4,)),
    "Conv1D": lora(lambda: keras.layers.Conv1D(8, 2, data_format="channels_last"), (4, 1)),
}


@pytest.mark.parametrize("name", LORA)
@pytest.mark.parametrize("path", ["2.weights.h5", "2.keras", "2.h5"])
def test_lora_goes_on_learning(offline_run, name, path):
    offline_run()
    build = LORA[name]
    if name == "Conv1D":
        X.shape = (16, 4, 1)
    try:
        model = build()
        fit(model, both(path.replace("2", "{epoch}", 1)), epochs=3)
        if path.endswith(".weights.h5"):
            assert_same_file(f"wk-{path}", f"keras-{path}")
        restored = gone_on(build, f"wk-{path}")
    finally:
        X.shape = (16, 4)
    assert_same_state(model, restored)
    adapters = [each for each in restored.weights if "lora" in each.path]
    assert len(adapters) == 2
    assert all(np.abs(value).sum() > 0 for value in values_of(adapters))


@pytest.mark.parametrize("path", ["{epoch}.weights.h5", "{epoch}.keras", "{epoch}.h5"])
def test_another_optimizer_in_the_midst_of_a_fit(offline_run, path):
    offline_run()

    class FineTune(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):  # noqa: ARG002
            if epoch == 2:
                # Keras' trainer on JAX hands the variables that it trains from epoch to epoch.
                self.model.layers[0].trainable = backend() != "jax"
                self.model.compile(keras.optimizers.Adam(1e-4), "mse")
                self.model.optimizer.build(self.model.trainable_variables)
                self.model.make_train_function()

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4), keras.layers.Dense(1)])
    model.layers[0].trainable = False
    model.compile(keras.optimizers.SGD(1e-2, momentum=0.9), "mse")
    fit(model, [FineTune(), *both(path)], epochs=4)
    for epoch in range(1, 5):
        name = path.format(epoch=epoch)
        if name.endswith(".weights.h5"):
            assert_same_file(f"wk-{name}", f"keras-{name}")
    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4), keras.layers.Dense(1)])
    other.compile(keras.optimizers.Adam(1e-4), "mse")
    restore(other, f"wk-{path.format(epoch=4)}")
    assert_same_state(model, other)


def test_a_model_that_is_changed_while_it_is_written(offline_run):
    """What an epoch's file holds is decided at its end, not when the file is written."""
    offline_run()

    class Grow(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):  # noqa: ARG002
            setattr(self.model, f"extra_{epoch}", keras.optimizers.Adam())

    model = pair()
    fit(model, [Grow(), *both()], epochs=4)
    for epoch in range(1, 5):
        assert_same_file(f"wk-{epoch}.weights.h5", f"keras-{epoch}.weights.h5")


def test_layers_in_containers(offline_run):
    """Versions of Keras differ in the containers that they look into."""
    offline_run()

    class Several(keras.Model):
        def __init__(self):
            super().__init__()
            self.in_a_list = [keras.layers.Dense(4), keras.layers.Dense(4)]
            self.in_a_set = {keras.layers.Dense(4), keras.layers.Dense(4)}
            self.nested = {"inner": [keras.layers.Dense(4)]}
            self.last = keras.layers.Dense(1)

        def call(self, x):
            for layer in (*self.in_a_list, *self.in_a_set, *self.nested["inner"]):
                x = layer(x)
            return self.last(x)

    model = Several()
    model.compile("adam", "mse")
    fit(model, both())
    for epoch in (1, 2):
        assert_same_file(f"wk-{epoch}.weights.h5", f"keras-{epoch}.weights.h5")


@pytest.mark.skipif(backend() != "torch", reason="a module of PyTorch's")
def test_modules_of_pytorch_are_those_of_the_moment(offline_run):
    import torch

    offline_run()
    net = torch.nn.Sequential(
        torch.nn.Linear(4, 1500), torch.nn.BatchNorm1d(1500), torch.nn.Linear(1500, 1)
    )
    wrapped = keras.layers.TorchModuleWrapper(net, output_shape=(None, 1))
    model = keras.Sequential([keras.Input((4,)), wrapped])
    model.compile(keras.optimizers.Adam(1e-3), "mse")
    fit(model, both(), epochs=4)
    for epoch in range(1, 5):
        assert_same_file(f"wk-{epoch}.weights.h5", f"keras-{epoch}.weights.h5")
