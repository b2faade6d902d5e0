"""Steps that several devices take together, held against those of one device."""

import keras
import pytest

from wk_testing.scripts import run_script
from wk_testing.wandb_file import read_run

TRAINING = """
import contextlib

import sys

import keras
import numpy as np
import wandb

from wk_metrics import WandbGradientLogger
from wk_testing.resuming import same, values

kind = sys.argv[1]
X = np.random.default_rng(0).normal(size=(48, 6)).astype("float32")
Y = X[:, :2] ** 2
scope, distribution = contextlib.nullcontext, None
if kind == "replicas":
    import tensorflow as tf

    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    scope = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope
elif kind == "data":
    distribution = keras.distribution.DataParallel()
else:
    devices = keras.distribution.list_devices()
    layout = keras.distribution.LayoutMap(
        keras.distribution.DeviceMesh((1, 2), ["batch", "model"], devices)
    )
    layout["first/kernel"] = (None, "model")
    layout["last/kernel"] = ("model", None)
    distribution = keras.distribution.ModelParallel(layout_map=layout, batch_dim_name="batch")


def train(*callbacks, rate, divided=True):
    keras.distribution.set_distribution(distribution if divided else None)
    with scope() if divided else contextlib.nullcontext():
        keras.utils.set_random_seed(3)
        first = keras.layers.Dense(4, activation="tanh", name="first")
        last = keras.layers.Dense(2, name="last")
        model = keras.Sequential([keras.Input((6,)), first, last])
        model.compile(keras.optimizers.SGD(rate, momentum=0.5), "mse")
    keras.utils.set_random_seed(4)
    model.fit(X, Y, batch_size=8, shuffle=False, verbose=0, callbacks=list(callbacks))
    return values(model)


for directory, divided in zip(sys.argv[2:], (True, False)):
    with wandb.init(project="test", dir=directory) as run:
        logger = WandbGradientLogger(log_freq="batch", full_every=1, run=run)
        train(logger, rate=0.0, divided=divided)
        if divided:
            watched = train(WandbGradientLogger(full_every=3, run=run), rate=0.05)
            assert same(watched, train(rate=0.05))
"""


@pytest.mark.parametrize(
    "kind", {"tensorflow": ["replicas"], "jax": ["data", "model"]}.get(keras.backend.backend(), [])
)
def test_devices_have_one_gradient(kind, tmp_path):
    directories = [tmp_path / "divided", tmp_path / "alone"]
    for directory in directories:
        directory.mkdir()
    flags = "--xla_force_host_platform_device_count=2"
    process = run_script(TRAINING, kind, *map(str, directories), XLA_FLAGS=flags)
    assert process.returncode == 0, process.stderr

    divided, alone = map(read_run, directories)
    for row, other in zip(divided.history[:7], alone.history, strict=True):
        assert row.keys() == other.keys()
        for key, value in row.items():
            if not key.endswith("/bins"):
                near = value if isinstance(value, str) else pytest.approx(value, rel=1e-5, abs=1e-8)
                assert other[key] == near, key
