"""What a metric has seen of an epoch is in a checkpoint within it."""

import numpy as np
import pytest

from layers.catalog import METRICS
from layers.saving import ENDINGS, checkpoint
from layers.training import compile_model
from wk_checkpoint import restore
from wk_core.compat.keras.flavour import LEGACY, PyDataset, keras

pytestmark = [
    pytest.mark.skipif(LEGACY, reason="Keras 3's metrics"),
    # Keras' own metrics ask for integers of 64 bits, which JAX has on request only.
    pytest.mark.filterwarnings("ignore:Explicitly requested dtype int64:UserWarning"),
]

BATCHES, BATCH_SIZE = 4, 4
SAVED_AFTER = 3
CLASSES = np.arange(BATCHES * BATCH_SIZE, dtype="int32") % 3
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(BATCHES * BATCH_SIZE, 3)).astype("float32")
Y = {
    "numbers": RANDOM.random((BATCHES * BATCH_SIZE, 2)).astype("float32"),
    "probability": (CLASSES > 0).astype("float32")[:, None],
    "one_hot": np.eye(3, dtype="float32")[CLASSES],
    "classes": CLASSES[:, None],
}


class Batches(PyDataset):
    def __len__(self):
        return BATCHES

    def __getitem__(self, index):
        rows = slice(index * BATCH_SIZE, (index + 1) * BATCH_SIZE)
        return X[rows], {name: values[rows] for name, values in Y.items()}


def name_of(case):
    return case.name.lower().replace(" ", "_")


def named(case):
    metric = case.make()
    metric.name = name_of(case)  # else a number tells it from one that was made before
    return metric


def training(seed):
    keras.utils.set_random_seed(seed)
    x = keras.Input((3,))
    outputs = {
        "numbers": keras.layers.Dense(2, name="numbers")(x),
        "probability": keras.layers.Dense(1, "sigmoid", name="probability")(x),
        "one_hot": keras.layers.Dense(3, "softmax", name="one_hot")(x),
        "classes": keras.layers.Dense(3, "softmax", name="classes")(x),
    }
    model = keras.Model(x, outputs)
    metrics = {name: [named(case) for case in METRICS if case.targets == name] for name in outputs}
    losses = ("mse", "mse", "mse", "sparse_categorical_crossentropy")
    loss = dict(zip(outputs, losses, strict=True))
    compile_model(model, "sgd", loss=loss, metrics=metrics)
    return model


@pytest.fixture(scope="module")
def histories(tmp_path_factory):
    """What Keras reported of a training, and of those that went on from within its first epoch."""
    path = tmp_path_factory.mktemp("metrics")
    callbacks = [checkpoint(path, ending, save_freq=SAVED_AFTER) for ending in ENDINGS]
    whole = training(1).fit(Batches(), epochs=2, verbose=0, shuffle=False, callbacks=callbacks)
    histories = {"whole": whole.history}
    for ending in ENDINGS:
        model = training(2)
        state = restore(model, path / f"1{ending}")
        assert (state.initial_epoch, state.batch) == (0, SAVED_AFTER)
        resumed = state.fit(model, Batches(), epochs=2, verbose=0, shuffle=False)
        histories[ending] = resumed.history
    return histories


@pytest.mark.parametrize("case", METRICS, ids=str)
def test_a_metric_goes_on(case, histories):
    whole = histories["whole"][f"{case.targets}_{name_of(case)}"]
    assert len(whole) == 2
    for ending in ENDINGS:
        resumed = histories[ending][f"{case.targets}_{name_of(case)}"]
        np.testing.assert_array_equal(np.array(whole), np.array(resumed), strict=True)
