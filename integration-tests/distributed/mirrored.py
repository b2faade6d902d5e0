"""`MirroredStrategy` over two logical CPU devices of one process, under Keras 3."""

import sys
from pathlib import Path
from typing import Any

import tensorflow as tf

from distributed.training import BATCH, X, Y, build, train


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


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
