"""What needs TensorFlow: SavedModel directories, TensorFlow checkpoints, remote paths."""

import sys
from importlib.metadata import version

import numpy as np
import pytest

from wk_checkpoint import MissingTensorFlowError, WandbModelCheckpoint, restore
from wk_core.compat.keras.flavour import backend, keras
from wk_testing.resuming import Shuffled, X, random_model, same, values
from wk_testing.versions import require_runnable_saved_models

tf = pytest.importorskip("tensorflow")

exports = pytest.mark.skipif(
    backend() not in ("tensorflow", "jax"), reason="Keras writes no SavedModel with this backend"
)


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch, offline_run):
    monkeypatch.chdir(tmp_path)
    offline_run()
    return tmp_path


def fit(*callbacks, epochs=1, model=None):
    model = model or random_model()
    model.fit(Shuffled(), epochs=epochs, verbose=0, shuffle=False, callbacks=list(callbacks))
    return model


@exports
def test_documented_directory_is_served_and_restored():
    require_runnable_saved_models()
    model = fit(WandbModelCheckpoint("models"), epochs=2)

    served = tf.saved_model.load("models")
    serve = served.signatures["serving_default"]
    (name,) = serve.structured_input_signature[1]
    (output,) = serve(**{name: tf.constant(X)}).values()
    np.testing.assert_allclose(output, model.predict(X, verbose=0), rtol=1e-5, atol=1e-6)

    again = keras.saving.load_model("models/assets.extra/model.keras")
    assert again.compiled
    assert same(values(again)[:-1], values(model)[:-1])  # but for the seed
    again.fit(X, X[:, :1], verbose=0)
    tf.saved_model.save(tf.Module(), "foreign")
    with pytest.raises(ValueError, match="holds no training state"):
        restore(random_model(), "foreign")


class Own(keras.Model):
    """Keras does not know the inputs of a model like this one."""

    def __init__(self, *before):
        super().__init__()
        self.before = before
        self.dense = keras.layers.Dense(1)

    def call(self, x):
        for layer in self.before:
            x = layer(x)
        return self.dense(x)


@exports
def test_directory_of_a_subclassed_model():
    require_runnable_saved_models()
    model = Own()
    model.compile("sgd", "mse")
    fit(WandbModelCheckpoint("models"), model=model)
    served = tf.saved_model.load("models")
    output = served.serve(tf.constant(X))
    np.testing.assert_allclose(output, model.predict(X, verbose=0), rtol=1e-5, atol=1e-6)


class Orthogonal(keras.layers.Layer):
    """It calls LAPACK, as JAX calls it and TensorFlow does not."""

    def call(self, x):
        import jax.numpy as jnp

        return x + jnp.linalg.qr(jnp.eye(4) + jnp.sum(x))[0].sum()


@pytest.mark.skipif(backend() != "jax", reason="TensorFlow runs what it writes itself")
@pytest.mark.parametrize("kind", ["functional", "subclassed"])
def test_directory_that_tensorflow_cannot_run(monkeypatch, inside, kind):
    def model():
        made = Own(Orthogonal())
        if kind == "functional":
            made = keras.Sequential([keras.Input((4,)), Orthogonal(), keras.layers.Dense(1)])
        made.compile("sgd", "mse")
        return made

    said = []
    monkeypatch.setattr("wandb.termwarn", lambda text, **_: said.append(text))
    trained = fit(WandbModelCheckpoint("models"), epochs=3, model=model())
    (warning,) = said
    assert "this TensorFlow cannot run the SavedModel" in warning
    assert f"(jax {version('jax')}, tensorflow {version('tensorflow')})" in warning
    serve = tf.saved_model.load("models").signatures["serving_default"]
    (name,) = serve.structured_input_signature[1]
    with pytest.raises(tf.errors.OpError):
        serve(**{name: tf.constant(X)})
    restored = model()
    restored(X[:1])
    restore(restored, inside / "models")
    assert same(values(restored), values(trained))


@pytest.mark.skipif(backend() != "jax", reason="TensorFlow runs what it writes itself")
def test_directory_of_a_model_that_shrinks_what_it_gets(monkeypatch):
    require_runnable_saved_models()
    said = []
    monkeypatch.setattr("wandb.termwarn", lambda text, **_: said.append(text))
    model = keras.Sequential(
        [
            keras.Input((None, None, 1)),
            keras.layers.Conv2D(2, 5),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(1),
        ]
    )
    model.compile("sgd", "mse")
    x, y = np.ones((2, 8, 8, 1)), np.ones((2, 1))
    # JAX 0.5 cannot derive a convolution over a size that it does not know.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    model.fit(x, y, verbose=0, callbacks=[WandbModelCheckpoint("models", options=options)])
    assert said == []


@exports
def test_save_options_reach_the_writer():
    options = tf.saved_model.SaveOptions(
        experimental_io_device="/job:localhost", save_debug_info=True
    )
    fit(WandbModelCheckpoint("models", options=options))
    fit(WandbModelCheckpoint("others"))
    assert tf.io.gfile.listdir("models/debug") == ["saved_model_debug_info.pb"]
    assert not tf.io.gfile.exists("others/debug")


def test_checkpoint_options_reach_the_writer():
    written = []
    options = tf.train.CheckpointOptions(
        experimental_io_device="/job:localhost", experimental_write_callbacks=[written.append]
    )
    model = fit(WandbModelCheckpoint("weights", save_weights_only=True, options=options), epochs=2)
    assert len(written) == 2

    saved = tf.train.latest_checkpoint("weights")
    shapes = tf.train.load_checkpoint(saved).get_variable_to_shape_map()
    assert [8, 1] in shapes.values()
    again = random_model(seed=0)
    restore(again, "weights")
    assert same(values(again), values(model))


@pytest.mark.skipif(backend() != "tensorflow", reason="TensorFlow knows only its own variables")
def test_checkpoint_is_one_of_tensorflow():
    model = fit(WandbModelCheckpoint("weights", save_weights_only=True))
    again = random_model(seed=0)
    status = tf.train.Checkpoint(model=again).restore(tf.train.latest_checkpoint("weights"))
    status.expect_partial()
    assert same(again.get_weights(), model.get_weights())


@pytest.mark.backend_free
@pytest.mark.parametrize("weights_only", [False, True])
def test_options_of_the_other_kind(weights_only):
    if backend() == "torch" and not weights_only:
        pytest.skip("Keras writes no SavedModel with PyTorch")
    options = [tf.train.CheckpointOptions(), tf.saved_model.SaveOptions()][weights_only]
    with pytest.raises(TypeError, match="`options` must be tf"):
        WandbModelCheckpoint("models", save_weights_only=weights_only, options=options)


@pytest.mark.parametrize("name", ["model-{epoch}.keras", "m-{epoch}.weights.h5"])
def test_remote_file(name, tmp_path):
    folder = f"ram://{tmp_path.name}"
    weights_only = name.endswith("weights.h5")
    model = fit(WandbModelCheckpoint(f"{folder}/{name}", save_weights_only=weights_only), epochs=2)
    assert sorted(tf.io.gfile.listdir(folder)) == [name.format(epoch=n) for n in (1, 2)]
    again = random_model(seed=0)
    restore(again, f"{folder}/{name.format(epoch=2)}")
    assert same(values(again), values(model))


def test_remote_directory(tmp_path):
    path = f"ram://{tmp_path.name}/weights"
    fit(WandbModelCheckpoint(path, save_weights_only=True))
    with tf.io.gfile.GFile(f"{path}/left-over", "w") as file:
        file.write("of a checkpoint with more files")
    model = fit(WandbModelCheckpoint(path, save_weights_only=True), epochs=2)
    assert not tf.io.gfile.exists(f"{path}/left-over")
    again = random_model(seed=0)
    restore(again, path)
    assert same(values(again), values(model))
    with pytest.raises(FileNotFoundError, match="no checkpoint at 'ram://"):
        restore(again, f"ram://{tmp_path.name}/nothing")


@exports
def test_remote_saved_model(tmp_path):
    # TensorFlow's file system in memory confuses `assets` with `assets.extra`: it is only written.
    path = f"ram://{tmp_path.name}/models"
    model = fit(WandbModelCheckpoint(path))
    for name in ("saved_model.pb", "variables/variables.index"):
        assert tf.io.gfile.exists(f"{path}/{name}")
    tf.io.gfile.copy(f"{path}/assets.extra/model.keras", "model.keras")
    again = random_model(seed=0)
    restore(again, "model.keras")
    assert same(values(again), values(model))


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("path", "weights_only", "feature"),
    [
        ("models", False, "A SavedModel"),
        ("weights", True, "A TensorFlow checkpoint"),
        ("gs://bucket/model.keras", False, "The remote path 'gs://bucket/model.keras'"),
    ],
)
def test_without_tensorflow(monkeypatch, path, weights_only, feature):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(MissingTensorFlowError) as raised:
        WandbModelCheckpoint(path, save_weights_only=weights_only)
    assert str(raised.value) == (
        f'{feature} needs TensorFlow: install it with `pip install "wk-checkpoint[tensorflow]"`.'
    )
