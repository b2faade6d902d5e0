"""Optimizers, vocabularies and bins are restored; a model that differs is refused."""

import numpy as np
import pytest
import wandb

from wk_checkpoint import WandbModelCheckpoint, restore
from wk_core.compat.keras.flavour import backend, keras
from wk_testing.saving import X, assert_same_file, assert_same_state, both, fit


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


def binned(data, **arguments):
    bins = keras.layers.Discretization(**(arguments or {"num_bins": 3}))
    if data is not None:
        bins.adapt(data)
    keras.utils.set_random_seed(3)
    as_floats = keras.layers.Rescaling(1.0)
    model = keras.Sequential([keras.Input((1,)), bins, as_floats, keras.layers.Dense(1)])
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
