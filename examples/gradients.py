"""Logs the gradients of a training to W&B and, on request, lets it diverge.

    uv run examples/gradients.py
    uv run examples/gradients.py --diverge

Prints what the gradients of each layer came to. With `--diverge`, the learning rate becomes far too
high in the second epoch: training is stopped, and the last lines say where it diverged and why. The
1,797 digits ship with scikit-learn, and the run stays on this machine unless `--online` is given.
"""

import argparse
import os
from typing import Any

import keras
import numpy as np
import wandb
from sklearn.datasets import load_digits

from wk_metrics import WandbDivergenceGuard, WandbGradientLogger, WandbMetricsLogger

RATE, TOO_HIGH, LAST_GOOD_BATCH = 0.05, 50_000.0, 70


def main() -> None:
    """Trains, and says what the gradients were."""
    arguments = parse_arguments()
    keras.utils.set_random_seed(arguments.seed)
    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8, 1).astype("float32") / 16
    model = build_model(then=TOO_HIGH if arguments.diverge else RATE)

    with wandb.init(
        project="wk-gradients",
        mode="online" if arguments.online else "offline",
        config=vars(arguments),
    ) as run:
        callbacks = [
            WandbMetricsLogger("batch"),
            WandbGradientLogger(log_freq="batch", full_every=10, norms_every=1),
            WandbDivergenceGuard(action="stop", norms_every=1),
        ]
        model.fit(images, labels, epochs=arguments.epochs, callbacks=callbacks)
        facts = dict(run.summary)

    print_gradients(model, facts)
    print_divergence(facts)
    say_where(run)


def parse_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--diverge", action="store_true", help="with far too high a rate")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--online", action="store_true", help="send the run to a W&B server")
    return parser.parse_args()


def build_model(then: float) -> keras.Model:
    """Returns a compiled network, with another learning rate after so many batches."""
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(16, 3, activation="relu", name="edges"),
            keras.layers.Conv2D(32, 3, activation="relu", name="shapes"),
            keras.layers.Flatten(),
            keras.layers.Dense(64, activation="relu", name="hidden"),
            keras.layers.Dense(10, name="classes"),
        ]
    )
    rate = keras.optimizers.schedules.PiecewiseConstantDecay([LAST_GOOD_BATCH], [RATE, then])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(rate, momentum=0.9), loss, metrics=["accuracy"])
    return model


def print_gradients(model: keras.Model, facts: dict[str, Any]) -> None:
    """Prints the norms and the update ratios of the layers in the last epoch."""
    print("\nlayer      norm of its gradients, mean   largest   update of its kernel")
    for layer in model.layers:
        keys = (f"{layer.name}.norm", f"{layer.name}.norm_max", f"{layer.name}/kernel.update_ratio")
        values = [facts.get(f"epoch_gradients/{key}", np.nan) for key in keys]
        if layer.weights:
            print("{:10}{:29.3g}{:10.3g}{:23.2%}".format(layer.name, *values))


def print_divergence(facts: dict[str, Any]) -> None:
    """Prints where and why the training diverged, if it did."""
    found = {key: value for key, value in facts.items() if key.startswith("divergence/")}
    if not found:
        print("\nThe training did not diverge.")
        return
    print("\nThe training diverged:")
    for key, value in sorted(found.items()):
        print(f"  {key.removeprefix('divergence/'):8} {value}")


def say_where(run: wandb.Run) -> None:
    """Prints where the run is and what to do with it."""
    if run.settings.mode != "offline":
        print(f"\nThe run: {run.url}")
        return
    directory = os.path.relpath(run.settings.sync_dir)
    print(f"\nLook at the run here:   uv run wandb leet {directory}")
    print(f"Send it to W&B:         uv run wandb sync {directory}")


if __name__ == "__main__":
    main()
