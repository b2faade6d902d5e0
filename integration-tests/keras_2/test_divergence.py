"""The guard on Keras 2."""

import json

import pytest

from wk_testing.scripts import run_script
from wk_testing.wandb_file import read_run

pytestmark = pytest.mark.backend_free

TRAINING = """
import json
import sys
import numpy as np
import tensorflow as tf
import wandb
from wk_checkpoint import WandbModelCheckpoint
from wk_metrics import WandbDivergenceGuard

assert issubclass(WandbDivergenceGuard, tf.keras.callbacks.Callback)
tf.keras.utils.set_random_seed(3)
x = np.random.default_rng(0).normal(size=(160, 4)).astype("float32")
y = x.sum(axis=1, keepdims=True)
y[13 * 8] = np.nan
layers = [tf.keras.layers.Dense(8, name="encoder"), tf.keras.layers.Dense(1, name="head")]
model = tf.keras.Sequential([tf.keras.Input((4,)), *layers])
model.compile(tf.keras.optimizers.SGD(0.02), "mse")
with wandb.init(project="test", dir=sys.argv[1]):
    checkpoint = WandbModelCheckpoint(f"{sys.argv[1]}/model.keras", "loss", save_freq=5)
    guard = WandbDivergenceGuard(action="rollback", norms_every=1)
    callbacks = [checkpoint, guard]
    model.fit(x, y, epochs=1, batch_size=8, shuffle=False, verbose=0, callbacks=callbacks)
assert all(np.isfinite(weight).all() for weight in model.get_weights())
print(json.dumps(float(model.optimizer.learning_rate.numpy())))
"""


def test_a_training_is_put_back(tmp_path):
    process = run_script(TRAINING, str(tmp_path), TF_USE_LEGACY_KERAS="1")
    assert process.returncode == 0, process.stderr
    (row,) = read_run(tmp_path).rows("divergence/rollbacks")
    assert (row["divergence/step"], row["divergence/layer"]) == (13, "head")
    assert (row["divergence/kind"], row["divergence/origin"]) == ("gradient not finite", "loss")
    assert row["divergence/restored"] == "epoch_0_batch_9"
    assert json.loads(process.stdout.splitlines()[-1]) == pytest.approx(0.01)
