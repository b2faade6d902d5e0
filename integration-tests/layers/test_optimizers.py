"""A training with each optimizer goes on from its checkpoint bit for bit as if nothing had been."""

import numpy as np
import pytest

from layers.catalog import OPTIMIZERS
from layers.earlier import error_of_keras
from layers.saving import ENDINGS, checkpoint
from layers.training import compile_model, differences
from wk_checkpoint import restore
from wk_core.compat.keras.flavour import LEGACY, keras, values_of

pytestmark = pytest.mark.skipif(LEGACY, reason="Keras 3's optimizers")

EPOCHS = 4
X = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
Y = X.sum(1, keepdims=True)


def training(case, seed):
    keras.utils.set_random_seed(seed)
    layers = [keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    compile_model(model, case.make())
    return model


def fit(model, **arguments):
    model.fit(X, Y, epochs=EPOCHS, shuffle=False, verbose=0, **arguments)
    return {"weights": values_of(model.weights), "optimizer": values_of(model.optimizer.variables)}


@pytest.mark.parametrize("case", OPTIMIZERS, ids=str)
def test_a_training_goes_on(case, tmp_path):
    if reason := case.missing or error_of_keras(lambda: fit(training(case, 1))):
        pytest.skip(reason)
    callbacks = [checkpoint(tmp_path, ending) for ending in ENDINGS]
    end = fit(training(case, 1), callbacks=callbacks)
    for ending in ENDINGS:
        resumed = training(case, 2)
        # An odd number of batches: of two whose gradients are added up, one.
        assert restore(resumed, tmp_path / f"3{ending}").initial_epoch == 3
        assert not differences(end, fit(resumed, initial_epoch=3)), ending
