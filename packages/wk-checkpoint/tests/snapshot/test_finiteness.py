"""Which values make a checkpoint a broken one."""

import numpy as np
import pytest

from wk_checkpoint import WandbModelCheckpoint
from wk_checkpoint.snapshot.finiteness import non_finite
from wk_core.compat.keras.flavour import LEGACY, keras
from wk_testing.resuming import Shuffled, random_model


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


class Masked(keras.layers.Layer):
    """Adds an untrained weight with infinities to what it gets, where that does not show."""

    def build(self, input_shape):
        self.mask = self.add_weight(
            shape=(2,), initializer=keras.initializers.Constant(-np.inf), trainable=False
        )
        super().build(input_shape)

    def call(self, inputs):
        return inputs


def saved_aliases(written):
    return [set(artifact.aliases) for artifact in written.artifacts]


def fit(model, *callbacks, epochs=1):
    checkpoint = WandbModelCheckpoint("{epoch}.keras", "loss")
    callbacks = [*callbacks, checkpoint]
    model.fit(Shuffled(), epochs=epochs, verbose=0, shuffle=False, callbacks=callbacks)


def test_infinities_of_a_mask_are_no_fault(offline_run, read_back):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1), Masked()])
    model.compile("sgd", "mse")
    run = offline_run()
    fit(model)
    assert saved_aliases(read_back(run)) == [{"epoch_0", "latest", "best"}]


@pytest.mark.parametrize("part", ["statistics", "optimizer", "kernel"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_one_value_anywhere_is_enough(offline_run, read_back, part, value):
    class Break(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):  # noqa: ARG002
            variable = {
                "statistics": self.model.layers[1].moving_variance,
                "optimizer": self.model.optimizer.variables[-1],
                "kernel": self.model.layers[-1].kernel,
            }[part]
            broken = np.array(keras.ops.convert_to_numpy(variable) if not LEGACY else variable)
            broken.flat[-1] = value
            variable.assign(broken)

    run = offline_run()
    fit(random_model(), Break())
    assert saved_aliases(read_back(run)) == [{"epoch_0", "non_finite"}]


def test_metrics_do_not_count(offline_run, read_back):
    class Break(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):  # noqa: ARG002
            for variable in self.model.metrics[0].variables:
                variable.assign(np.nan)

    run = offline_run()
    fit(random_model(), Break())
    assert saved_aliases(read_back(run)) == [{"epoch_0", "latest", "best"}]


def test_values_of_any_type():
    values = [
        ("whole", np.arange(3)),
        ("text", np.array(["nan"])),
        ("empty", np.zeros((0, 2), "float32")),
        ("half", np.array([1, np.inf], "float16")),
        ("mask", np.array([0, -np.inf])),
        ("broken mask", np.array([np.nan, -np.inf])),
        ("large", np.full(100_000, 3e38, "float32")),
        ("last of many", np.append(np.zeros(100_000), np.nan)),
        ("half", np.array([1, np.inf], "float16")),
    ]
    assert non_finite(values, {"mask", "broken mask"}) == ["half", "broken mask", "last of many"]


@pytest.mark.skipif(LEGACY, reason="Keras 3's own type")
def test_bfloat16():
    broken = keras.ops.cast(keras.ops.convert_to_tensor([1.0, np.nan]), "bfloat16")
    whole = keras.ops.cast(keras.ops.convert_to_tensor([1.0, 3e38]), "bfloat16")
    assert non_finite([("broken", broken), ("whole", whole)], ()) == ["broken"]
