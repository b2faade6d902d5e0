"""Trains a small convolutional network on scanned digits and logs the training to W&B.

    uv run examples/digits.py

The 1,797 digits ship with scikit-learn, and the run stays on this machine unless `--online` is
given: neither data nor an account are needed.
"""

import argparse
import math
import os

import keras
import numpy as np
import wandb
from sklearn.datasets import load_digits

from wk_metrics import WandbMetricsLogger


def main() -> None:
    """Trains, evaluates and says where the run is."""
    arguments = parse_arguments()
    keras.utils.set_random_seed(arguments.seed)
    train, validation, test = load_data()
    steps_per_epoch = math.ceil(len(train[0]) / arguments.batch_size)
    model = build_model(steps_per_epoch * arguments.epochs)

    with wandb.init(
        project="wk-digits",
        mode="online" if arguments.online else "offline",
        config={"epochs": arguments.epochs, "batch_size": arguments.batch_size},
    ) as run:
        logger = WandbMetricsLogger(log_freq=10, throughput=True, log_model_info=True)
        model.fit(
            *train,
            validation_data=validation,
            batch_size=arguments.batch_size,
            epochs=arguments.epochs,
            callbacks=[logger],
        )
        model.evaluate(*test, callbacks=[logger])

    say_where(run)


def parse_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--online", action="store_true", help="send the run to a W&B server")
    return parser.parse_args()


Samples = tuple[np.ndarray, np.ndarray]


def load_data() -> tuple[Samples, Samples, Samples]:
    """Returns images, shape (n, 8, 8, 1) in [0, 1], with labels: to train, validate and test."""
    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8, 1).astype("float32") / 16
    order = np.random.default_rng(0).permutation(len(images))
    images, labels = images[order], labels[order]
    return (
        (images[:1400], labels[:1400]),
        (images[1400:1600], labels[1400:1600]),
        (images[1600:], labels[1600:]),
    )


def build_model(steps: int) -> keras.Model:
    """Returns a compiled network whose learning rate decays within a number of steps."""
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(32, 3, activation="relu"),
            keras.layers.Conv2D(64, 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(10),
        ]
    )
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(3e-3, decay_steps=steps)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def say_where(run: wandb.Run) -> None:
    """Prints where the run is and what to do with it."""
    if run.settings.mode != "offline":
        print(f"\nThe run: {run.url}")
        return
    directory = os.path.relpath(run.settings.sync_dir)
    print(f"\nThe run lies in    {directory}")
    print(f"Look at it here:   uv run wandb leet {directory}")
    print(f"Send it to W&B:    uv run wandb sync {directory}")


if __name__ == "__main__":
    main()
