"""Trains one network on scanned digits in two processes of this machine.

    uv run examples/distributed.py

The script starts itself twice. The two processes find each other through JAX, each feeds its half
of every batch, and both end with the same network. On a cluster there would be one of them on each
machine, and nothing else would change. The callbacks are the same in both: one process writes, and
the other one has no run.
"""

import argparse
import os
import socket
import subprocess
import sys
from contextlib import nullcontext as no_run
from pathlib import Path
from typing import Any

PROCESSES = 2
BATCH_SIZE = 32
DIRECTORY = Path("distributed")


def main() -> None:
    """Starts the processes, or is one of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--index", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--coordinator", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.index is None:
        start_all(arguments.epochs)
    else:
        train(arguments.index, arguments.coordinator, arguments.epochs)


def start_all(epochs: int) -> None:
    """Starts a process for each part and waits for them."""
    # Keras chooses its backend when it is imported.
    chosen = {"KERAS_BACKEND": "jax"}
    shared = ["--coordinator", f"127.0.0.1:{free_port()}", "--epochs", str(epochs)]
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, "--index", str(index), *shared],
            env={**os.environ, **chosen},
        )
        for index in range(PROCESSES)
    ]
    try:
        statuses = [process.wait() for process in processes]
    finally:
        for process in processes:
            process.kill()
    if any(statuses):
        sys.exit(f"The processes ended with the statuses {statuses}.")


def free_port() -> int:
    """Returns a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def train(index: int, coordinator: str, epochs: int) -> None:
    """Trains, together with the others."""
    import jax

    # Before anything else makes an array. Processors talk to each other through Gloo.
    jax.config.update("jax_cpu_collectives_implementation", "gloo")  # type: ignore[no-untyped-call]
    jax.distributed.initialize(coordinator, PROCESSES, index)

    import keras
    import numpy as np
    import wandb

    from wk_checkpoint import WandbModelCheckpoint
    from wk_core import this_process
    from wk_metrics import WandbMetricsLogger

    class Share(keras.utils.PyDataset):  # type: ignore[misc]  # Keras ships no types
        """This process's rows of each batch."""

        def __init__(self, images: Any, labels: Any) -> None:
            super().__init__()
            self._images, self._labels = images, labels

        def __len__(self) -> int:
            return len(self._images) // BATCH_SIZE

        def __getitem__(self, number: int) -> tuple[Any, Any]:
            rows = np.arange(number * BATCH_SIZE, (number + 1) * BATCH_SIZE)[index::PROCESSES]
            return self._images[rows], self._labels[rows]

    # The processes share the work of each batch; each has all of the weights.
    keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
    (images, labels), validation = load_digits_in_order()
    writes = this_process().writes
    run = wandb.init(project="wk-distributed", mode="offline") if writes else no_run()
    with run:
        model = build_model()
        model.fit(
            Share(images, labels),
            validation_data=Share(*validation),
            epochs=epochs,
            verbose=2 if writes else 0,
            callbacks=[
                WandbMetricsLogger(throughput=True, log_model_info=True),
                WandbModelCheckpoint(DIRECTORY / "model.keras", "val_loss"),
            ],
        )
    total = sum(float(np.abs(values).sum()) for values in model.get_weights())
    print(f"Process {index} of {PROCESSES}: the weights add up to {total:.6f}.", flush=True)


def load_digits_in_order() -> Any:
    """Returns images, shape (n, 8, 8, 1) in [0, 1], with labels: to train and to validate."""
    import numpy as np
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8, 1).astype("float32") / 16
    order = np.random.default_rng(0).permutation(len(images))
    images, labels = images[order], labels[order]
    return (images[:1440], labels[:1440]), (images[1440:], labels[1440:])


def build_model() -> Any:
    """Returns a compiled network, the same in each process."""
    import keras

    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(16, 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    return model


if __name__ == "__main__":
    main()
