"""Models of every kind are saved as Keras' own callback saves them, and can be gone on with."""

import functools

import h5py
import numpy as np
import pytest
import wandb

from wk_checkpoint import (
    CheckpointError,
    UnserializableModelError,
    WandbModelCheckpoint,
    restore,
)
from wk_core.keras import backend, keras
from wk_core.keras_saving import values_of
from wk_core.saved_objects import SavedObjects, own_variables

X = np.random.default_rng(0).random((16, 4)).astype("float32")
Y = X.sum(1, keepdims=True)


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def said(monkeypatch):
    """What is said in the terminal."""
    texts = []
    monkeypatch.setattr(wandb, "termlog", texts.append)
    return texts


def arrays(path):
    """Returns what a file of weights holds, without what wk adds."""
    found = {}
    with h5py.File(path, "r") as file:
        file.visititems(
            lambda name, item: found.update({name: item[()]}) if hasattr(item, "shape") else None
        )
    return {name: array for name, array in found.items() if not name.startswith("wk_")}


def assert_same_file(path, other):
    ours, theirs = arrays(path), arrays(other)
    assert list(ours) == list(theirs)
    for name, array in ours.items():
        np.testing.assert_array_equal(array, theirs[name], err_msg=name)


def state_of(model):
    """Returns all that a training goes on with: every variable of every saved object."""
    variables = {}
    for one in SavedObjects().of(model):
        own = one.holder.variables if one.is_optimizer else own_variables(one.holder)
        for variable in own:
            variables[id(variable)] = variable
    return values_of(variables.values())


def assert_same_state(model, other):
    for one, another in zip(state_of(model), state_of(other), strict=True):
        np.testing.assert_array_equal(one, another)


def both(path="{epoch}.weights.h5", *, artifact=None, **arguments):
    """Returns wk's callback and Keras' own, which writes the same beside it."""
    arguments = {"monitor": "loss", "save_weights_only": path.endswith(".weights.h5"), **arguments}
    return [
        WandbModelCheckpoint(f"wk-{path}", artifact=artifact, **arguments),
        keras.callbacks.ModelCheckpoint(f"keras-{path}", **arguments),
    ]


def fit(model, callbacks=(), **arguments):
    arguments = {"batch_size": 8, "shuffle": False, "verbose": 0, "epochs": 2, **arguments}
    return model.fit(X, Y, callbacks=list(callbacks), **arguments)


def gone_on(build, path, *, epochs=3):
    """Trains on from a checkpoint in a fresh instance; returns it."""
    model = build()
    state = restore(model, path)
    fit(model, initial_epoch=state.initial_epoch, epochs=epochs)
    return model


class Pair(keras.Model):
    """A model whose configuration nobody can write down: it is made of other models."""

    def __init__(self, encoder, decoder, **arguments):
        super().__init__(**arguments)
        self.encoder, self.decoder = encoder, decoder

    def call(self, inputs):
        return self.decoder(self.encoder(inputs))


class Plain(keras.layers.Layer):
    """A layer that cannot be made again from its configuration."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, inputs):
        return self.function(inputs)


def pair():
    keras.utils.set_random_seed(3)
    model = Pair(
        keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]),
        keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]),
    )
    model.compile("adam", "mse")
    model(X[:1])
    return model


def with_plain_layer():
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [keras.Input((4,)), Plain(lambda tensor: tensor * 2), keras.layers.Dense(1)]
    )
    model.compile("adam", "mse")
    return model


def with_partial_loss():
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("adam", functools.partial(keras.losses.mean_squared_error))
    return model


UNSERIALIZABLE = [pair, with_plain_layer, with_partial_loss]


@pytest.mark.parametrize("build", UNSERIALIZABLE)
def test_weights_need_no_configuration(offline_run, build):
    offline_run()
    model = build()
    fit(model, both(), epochs=3)
    assert_same_file("wk-2.weights.h5", "keras-2.weights.h5")
    assert_same_state(model, gone_on(build, "wk-2.weights.h5"))


@pytest.mark.parametrize("build", UNSERIALIZABLE)
@pytest.mark.parametrize("path", ["m.keras", "m.h5"])
def test_what_cannot_be_saved_as_a_whole_is_said_before_training(offline_run, build, path):
    offline_run()
    with pytest.raises(UnserializableModelError, match="save_weights_only"):
        fit(build(), [WandbModelCheckpoint(path, "loss")])


@pytest.mark.skipif(backend() != "tensorflow", reason="Keras exports them with TensorFlow and JAX")
@pytest.mark.parametrize("build", UNSERIALIZABLE)
def test_a_saved_model_needs_no_configuration(offline_run, build):
    offline_run()
    model = build()
    fit(model, [WandbModelCheckpoint("{epoch}-model", "loss")], epochs=3)
    assert_same_state(model, gone_on(build, "2-model"))


def test_a_model_that_is_built_later_says_so_before_training_too(offline_run):
    offline_run()
    model = Pair(keras.layers.Dense(2), Plain(lambda tensor: tensor))
    model.compile("adam", "mse")
    with pytest.raises(UnserializableModelError):
        fit(model, [WandbModelCheckpoint("m.keras", "loss")])


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


class Gan(keras.Model):
    """Two networks, each with an optimizer of its own; the second joins after a warm-up."""

    def __init__(self):
        super().__init__()
        self.g = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
        self.d = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])

    def compile(self, g_optimizer, others):
        super().compile()
        self.g_optimizer = g_optimizer
        self.others = others

    def call(self, inputs):
        return self.d(self.g(inputs))

    def train_step(self, data):
        import tensorflow as tf

        x, y = data
        parts = [(self.g, self.g_optimizer), (self.d, self.others["d"])]
        for network, optimizer in parts[: 2 if self.is_warm else 1]:
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((self(x) - y) ** 2)
            variables = network.trainable_variables
            optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return {"loss": loss}

    is_warm = False


def gan():
    keras.utils.set_random_seed(3)
    model = Gan()
    model.compile(keras.optimizers.Adam(1e-2), {"d": keras.optimizers.SGD(1e-2, momentum=0.9)})
    model.run_eagerly = True
    model(X[:1])
    return model


class WarmUp(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):  # noqa: ARG002
        self.model.is_warm = epoch >= 1


@pytest.mark.skipif(backend() != "tensorflow", reason="its training step is one of TensorFlow's")
@pytest.mark.parametrize("epoch", [1, 2])
def test_optimizers_in_attributes_come_back_as_they_were(offline_run, epoch):
    offline_run()
    model = gan()
    fit(model, [WarmUp(), *both()], epochs=3)
    path = f"wk-{epoch}.weights.h5"
    assert_same_file(path, f"keras-{epoch}.weights.h5")
    restored = gan()
    state = restore(restored, path)
    assert restored.g_optimizer.built
    assert restored.others["d"].built == (epoch == 2)
    assert not restored.optimizer.built
    fit(restored, [WarmUp()], initial_epoch=state.initial_epoch, epochs=3)
    assert_same_state(model, restored)


@pytest.mark.skipif(backend() != "tensorflow", reason="its training step is one of TensorFlow's")
def test_an_optimizer_that_is_ahead_of_the_checkpoint_is_named(offline_run):
    offline_run()
    model = gan()
    fit(model, [WarmUp(), *both()], epochs=2)
    with pytest.raises(ValueError, match=r"'others/sgd'.*compile the model anew"):
        restore(model, "wk-1.weights.h5")


class Uncalled(Gan):
    """A model that only its own training step uses: nothing builds it."""

    call = keras.Model.call


@pytest.mark.skipif(backend() != "tensorflow", reason="its training step is one of TensorFlow's")
def test_a_model_that_is_never_called_is_built_where_its_parts_are(offline_run):
    offline_run()

    def build():
        keras.utils.set_random_seed(3)
        model = Uncalled()
        model.compile(keras.optimizers.Adam(1e-2), {"d": keras.optimizers.SGD(1e-2)})
        model.run_eagerly = True
        return model

    class Step(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):  # noqa: ARG002
            self.model.g.layers[0].bias.assign_add([1.0] * 4)

    model = build()
    model.train_step = lambda data: {"loss": keras.ops.sum(model.g(data[0]))}
    fit(model, [Step(), WandbModelCheckpoint("m.weights.h5", "loss", save_weights_only=True)])
    restored = build()
    restore(restored, "m.weights.h5")
    assert_same_state(model, restored)
    with pytest.raises(ValueError, match="build it first"):
        restore(keras.Sequential([keras.layers.Dense(1)]), "m.weights.h5")


def overriding(*methods):
    """Returns a model whose own ways to save itself save a part of it."""

    class Partly(keras.Model):
        def __init__(self):
            super().__init__()
            self.g = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8)])
            self.d = keras.layers.Dense(1)

        def call(self, inputs):
            return self.d(self.g(inputs))

    if "save" in methods:
        Partly.save = lambda self, path, **arguments: self.g.save(path, **arguments)
    if "save_weights" in methods:
        Partly.save_weights = lambda self, path, **arguments: self.g.save_weights(path, **arguments)
    model = Partly()
    model.compile("adam", "mse")
    model(X[:1])
    return model


@pytest.mark.parametrize("methods", [("save",), ("save_weights",), ("save", "save_weights")])
def test_a_model_that_saves_itself_in_its_own_way(offline_run, said, methods):
    model = overriding(*methods)
    paths = {"save": "{epoch}.keras", "save_weights": "{epoch}.weights.h5"}
    offline_run()
    callbacks = [
        each for method in methods for each in both(paths[method], artifact=f"model-{method}")
    ]
    fit(model, callbacks)
    for epoch in (1, 2):
        if "save" in methods:
            ours, theirs = (
                keras.saving.load_model(f"{who}-{epoch}.keras") for who in ("wk", "keras")
            )
            assert len(ours.layers) == 1
            for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
                np.testing.assert_array_equal(one, other)
        if "save_weights" in methods:
            assert_same_file(f"wk-{epoch}.weights.h5", f"keras-{epoch}.weights.h5")
    waits = [text for text in said if "training waits" in text]
    assert len(waits) == len(methods)
    assert all("Partly has a `save" in text for text in waits)


def test_what_a_models_own_way_writes_beside_is_kept(offline_run, inside):
    offline_run()

    class Two(keras.Sequential):
        def save_weights(self, path, **arguments):
            super().save_weights(path, **arguments)
            super().save_weights(str(path).replace(".weights", "-second.weights"), **arguments)

    model = Two([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    fit(model, both("m.weights.h5"))
    assert_same_file("wk-m-second.weights.h5", "keras-m-second.weights.h5")
    assert not list(inside.glob(".wk-*"))


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


def text_model(texts):
    vectorize = keras.layers.TextVectorization(max_tokens=20, output_sequence_length=3)
    if texts:
        vectorize.adapt(texts)
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((1,), dtype="string"),
            vectorize,
            keras.layers.Embedding(20, 4),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(1, "sigmoid"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.1), "binary_crossentropy")
    return model


@pytest.mark.skipif(backend() != "tensorflow", reason="strings are TensorFlow's")
@pytest.mark.parametrize("path", ["text.keras", "text.weights.h5"])
@pytest.mark.parametrize("others", [["very film bad", "so so film"], []])
def test_vocabularies_come_back(offline_run, said, path, others):
    import tensorflow as tf

    offline_run()
    texts = tf.constant([["good film"], ["bad film"], ["very good"], ["so bad"]])
    model = text_model(["good film", "bad film", "very good", "so"])
    weights_only = path.endswith(".weights.h5")
    model.fit(texts, np.array([1, 0, 1, 0]), epochs=3, verbose=0, callbacks=[
        WandbModelCheckpoint(path, "loss", save_weights_only=weights_only)])  # fmt: skip
    restored = text_model(others)
    restore(restored, path)
    expected = model.predict(texts, verbose=0)
    np.testing.assert_array_equal(restored.predict(texts, verbose=0), expected)
    if not weights_only:
        loaded = keras.saving.load_model(path)
        np.testing.assert_array_equal(loaded.predict(texts, verbose=0), expected)
    assert not [text for text in said if "training waits" in text]


@pytest.mark.skipif(backend() != "tensorflow", reason="strings are TensorFlow's")
def test_another_given_vocabulary_is_refused(offline_run):
    offline_run()

    def build(words):
        inputs = keras.Input((1,), dtype="string")
        numbers = keras.layers.StringLookup(vocabulary=words)(inputs)
        outputs = keras.layers.Dense(1)(keras.layers.Embedding(8, 2)(numbers)[:, 0])
        model = keras.Model(inputs, outputs)
        model.compile("adam", "mse")
        return model

    import tensorflow as tf

    build(["a", "b"]).fit(tf.constant([["a"], ["b"]]), np.ones((2, 1)), verbose=0, callbacks=[
        WandbModelCheckpoint("m.weights.h5", "loss", save_weights_only=True)])  # fmt: skip
    restore(build(["a", "b"]), "m.weights.h5")
    with pytest.raises(ValueError, match="another vocabulary"):
        restore(build(["b", "a"]), "m.weights.h5")


@pytest.mark.skipif(backend() == "torch", reason="Keras cannot train them on PyTorch")
def test_states_of_recurrent_layers_come_back(offline_run):
    offline_run()

    def build():
        keras.utils.set_random_seed(3)
        recurrent = keras.layers.LSTM(3, stateful=True)
        model = keras.Sequential(
            [keras.Input(batch_shape=(8, 2, 2)), recurrent, keras.layers.Dense(1)]
        )
        model.compile("sgd", "mse", run_eagerly=backend() != "jax")
        return model

    def train(model, callbacks=(), **arguments):
        data = X.reshape(16, 2, 2), Y
        model.fit(*data, batch_size=8, shuffle=False, verbose=0, callbacks=callbacks, **arguments)

    whole, restored = build(), build()
    train(
        whole,
        [WandbModelCheckpoint("{epoch}.weights.h5", "loss", save_weights_only=True)],
        epochs=3,
    )
    state = restore(restored, "1.weights.h5")
    train(restored, initial_epoch=state.initial_epoch, epochs=3)
    assert_same_state(whole, restored)


def test_random_numbers_go_on_without_callbacks(offline_run):
    offline_run()

    def build():
        keras.utils.set_random_seed(3)
        layers = [keras.layers.Dense(8), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
        model = keras.Sequential([keras.Input((4,)), *layers])
        model.compile("sgd", "mse")
        return model

    whole = build()
    fit(whole, [WandbModelCheckpoint("{epoch}.keras", "loss")], epochs=3)
    restored = build()
    state = restore(restored, "1.keras")
    restored.evaluate(X, Y, verbose=0)
    fit(restored, initial_epoch=state.initial_epoch, epochs=3)
    assert_same_state(whole, restored)


def binned(data, **arguments):
    bins = keras.layers.Discretization(**(arguments or {"num_bins": 3}), output_mode="one_hot")
    if data is not None:
        bins.adapt(data)
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((1,)), bins, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def test_bins_that_were_learned_come_back(offline_run):
    offline_run()
    data = np.arange(16.0)[:, None]
    model = binned(data)
    checkpoint = WandbModelCheckpoint("m.weights.h5", "loss", save_weights_only=True)
    model.fit(data, data, verbose=0, callbacks=[checkpoint])
    restored = binned(data - 8)
    restore(restored, "m.weights.h5")
    expected = model.predict(data, verbose=0)
    np.testing.assert_array_equal(restored.predict(data, verbose=0), expected)


def test_other_given_bins_are_refused(offline_run):
    offline_run()
    data = np.arange(16.0)[:, None]
    checkpoint = WandbModelCheckpoint("m.weights.h5", "loss", save_weights_only=True)
    model = binned(None, bin_boundaries=[2.0, 4.0])
    model.fit(data, data, verbose=0, callbacks=[checkpoint])
    with pytest.raises(ValueError, match="other bins"):
        restore(binned(None, bin_boundaries=[2.0, 5.0]), "m.weights.h5")


def test_what_only_one_of_file_and_model_has_is_named(offline_run):
    offline_run()

    class Headed(keras.Sequential):
        def __init__(self, *, with_head):
            super().__init__([keras.Input((4,)), keras.layers.Dense(1)])
            if with_head:
                self.head = keras.layers.Dense(1)
                self.head.build((4,))

    def build(*, with_head):
        model = Headed(with_head=with_head)
        model.compile("sgd", "mse")
        return model

    fit(build(with_head=True), both())
    with pytest.raises(ValueError, match="only the checkpoint has: head/0, head/1"):
        restore(build(with_head=False), "wk-1.weights.h5")
    fit(build(with_head=False), both())
    with pytest.raises(ValueError, match="only the model has: head/0, head/1"):
        restore(build(with_head=True), "wk-1.weights.h5")


def test_a_layer_whose_way_to_save_fails_in_both_is_an_error(offline_run):
    offline_run()

    class Broken(keras.layers.Layer):
        def call(self, inputs):
            return inputs

        def save_own_variables(self, store):  # noqa: ARG002
            raise RuntimeError("no way")

    model = keras.Sequential([keras.Input((4,)), Broken(), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(CheckpointError, match="no way"):
        fit(model, [WandbModelCheckpoint("m.weights.h5", "loss", save_weights_only=True)])


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
