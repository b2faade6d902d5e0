"""The training state as bytes, and models whose architecture cannot be serialized."""

import functools

import numpy as np
import pytest

from wk_checkpoint import UnserializableModelError, WandbModelCheckpoint
from wk_checkpoint.state.serialization import decode, encode
from wk_core.compat.keras.flavour import backend, keras
from wk_testing.saving import (
    Pair,
    assert_same_file,
    assert_same_state,
    both,
    fit,
    gone_on,
    pair,
)
from wk_testing.versions import require_refused_configurations


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_state_as_bytes():
    state = {
        "none": None,
        "text": "ü",
        "numbers": [1, 2.5, True, float("inf")],
        "numpy": np.float32(0.1),
        "arrays": {"a": np.arange(6, dtype="uint32").reshape(2, 3), "b": np.zeros((0, 2))},
        "scalar": np.array(3.0),
        "tuple": (1, (2,)),
    }
    data = encode(state)
    assert data == encode(state)
    back = decode(data)
    assert back["numbers"] == state["numbers"]
    assert back["numpy"] == float(np.float32(0.1))
    assert (back["text"], back["none"], back["tuple"]) == ("ü", None, [1, [2]])
    for name in "ab":
        array = state["arrays"][name]
        assert back["arrays"][name].dtype == array.dtype
        assert np.array_equal(back["arrays"][name], array)
    assert back["scalar"].shape == ()
    with pytest.raises(TypeError):
        encode({"object": object()})


def test_half_precision_survives():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    array = np.array([1.5, -2.0], dtype=ml_dtypes.bfloat16)
    back = decode(encode({"array": array}))["array"]
    assert back.dtype == array.dtype
    assert back.tobytes() == array.tobytes()


class Plain(keras.layers.Layer):
    """A layer that cannot be made again from its configuration."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, inputs):
        return self.function(inputs)


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
    if build is pair:
        require_refused_configurations()
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
    require_refused_configurations()
    offline_run()
    model = Pair(keras.layers.Dense(2), Plain(lambda tensor: tensor))
    model.compile("adam", "mse")
    with pytest.raises(UnserializableModelError):
        fit(model, [WandbModelCheckpoint("m.keras", "loss")])
