"""A model that Keras 2 cannot save whole trains with wk as without it."""

import pytest

from wk_testing.scripts import run_script
from wk_testing.wandb_file import read_run

pytestmark = [pytest.mark.backend_free, pytest.mark.slow]

TRAINING = """
import sys
import numpy as np
import tensorflow as tf
import wandb
from wk_checkpoint import WandbModelCheckpoint, restore
from wk_legacy import WandbCallback
from wk_metrics import WandbMetricsLogger, WandbWeightLogger

X = np.random.default_rng(0).random((32, 6)).astype("float32")

class VAE(tf.keras.Model):
    def __init__(self, encoder, decoder):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.total = tf.keras.metrics.Mean(name="loss")

    metrics = property(lambda self: [self.total])

    def call(self, inputs):
        return self.decoder(self.encoder(inputs))

    def train_step(self, data):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((self(data, training=True) - data) ** 2)
        weights = self.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))
        self.total.update_state(loss)
        return {"loss": self.total.result()}

def model():
    tf.keras.utils.set_random_seed(7)
    layers = tf.keras.layers
    encoder = tf.keras.Sequential([layers.InputLayer((6,)), layers.Dense(2)])
    decoder = tf.keras.Sequential([layers.InputLayer((2,)), layers.Dense(6)])
    vae = VAE(encoder, decoder)
    vae.compile(tf.keras.optimizers.Adam(0.01))
    vae(X[:1])
    return vae

def fit(vae, *callbacks, initial_epoch=0):
    vae.fit(X, epochs=3, initial_epoch=initial_epoch, batch_size=8, shuffle=False, verbose=0,
            callbacks=list(callbacks))
    return [*vae.get_weights(), *(one.numpy() for one in vae.optimizer.variables)]

alone = fit(model())
with wandb.init(project="test", dir=sys.argv[1]):
    weights = WandbModelCheckpoint("wk-{epoch}.weights.h5", "loss", save_weights_only=True)
    watched = fit(model(), WandbMetricsLogger("batch"), weights, WandbWeightLogger(),
                  WandbCallback(monitor="loss"))
restored = model()
state = restore(restored, "wk-1.weights.h5")
resumed = fit(restored, initial_epoch=state.initial_epoch)
for end in (watched, resumed):
    assert len(end) == len(alone) and all(map(np.array_equal, end, alone))
"""


def test_a_model_without_a_configuration(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    process = run_script(TRAINING, str(tmp_path), TF_USE_LEGACY_KERAS="1")
    assert process.returncode == 0, process.stderr
    run = read_run(tmp_path)
    assert run.column("epoch/epoch") == [0, 1, 2]
    assert run.column("batch/batch_step") == list(range(12))
