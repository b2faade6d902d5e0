"""`MirroredStrategy` over two logical CPU devices of one process, under Keras 3."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from multi_process.training import BATCH, X, Y, build, train
from wk_eval.data.samples import Samples
from wk_legacy.validation_data import Predictor
from wk_metrics.gradients.gradient_source import GradientSource


def main(directory: Path, run_id: str) -> None:
    """Trains on two devices."""
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    devices = [device.name for device in tf.config.list_logical_devices("CPU")]
    strategy = tf.distribute.MirroredStrategy(devices)
    assert strategy.num_replicas_in_sync == 2

    def make_model() -> Any:
        with strategy.scope():
            return build()

    def make_data() -> Any:
        return tf.data.Dataset.from_tensor_slices((X, Y)).batch(BATCH)

    train(directory, run_id, "epoch-{epoch}.keras", make_model, make_data)
    look_into(make_model(), build())


def look_into(mirrored: Any, plain: Any) -> None:
    """Holds what is seen of a model with replicas against what is seen of one without."""
    seen: list[Any] = []
    for model in (mirrored, plain):
        gradients = GradientSource((X, Y), batch_size=5)
        gradients.begin(model)
        norm = gradients.take(0)()["gradients/global_norm"]
        seen.append((norm, Predictor(model)(Samples(X, Y, len(X)))))  # of several batches
    for one, other in zip(*seen, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
