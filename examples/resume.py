"""Kills a training on scanned digits, goes on with it, and ends as if nothing had happened.

    uv run examples/resume.py

Three processes train the same network, offline, by the same lines. The first one kills itself in
the middle of an epoch. The second one has the same run, so it goes on from the last checkpoint of
the first and trains to the end. The third one trains without an interruption. The script then
compares what the second and the third have arrived at, weights and optimizer state, bit for bit.
"""

import argparse
import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import wandb
from sklearn.datasets import load_digits

from wk_checkpoint import WandbModelCheckpoint
from wk_metrics import WandbMetricsLogger

EPOCHS = 12
STEPS = 44  # batches of an epoch
BATCH_SIZE = 32
SAVE_FREQ = 25  # batches from one checkpoint to the next
DIRECTORY = Path("resume")


def main() -> None:
    """Does the part that this process was started for, or starts one process after the other."""
    arguments = parse_arguments()
    match arguments.part:
        case None:
            run_all(arguments.die_after)
        case "killed":
            train(arguments.run_id, [Die(arguments.die_after)])
        case "resumed" | "uninterrupted":
            train(arguments.run_id)


def parse_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--die-after",
        type=int,
        default=8 * STEPS + 30,
        help=f"the batch, of {EPOCHS * STEPS}, after which the first process is killed",
    )
    parser.add_argument("--part", help=argparse.SUPPRESS)
    parser.add_argument("--run-id", help=argparse.SUPPRESS)
    return parser.parse_args()


def run_all(die_after: int) -> None:
    """Runs the three trainings, each in a process of its own, and compares their ends."""
    if not SAVE_FREQ <= die_after < EPOCHS * STEPS:
        sys.exit(f"--die-after must be from {SAVE_FREQ} to {EPOCHS * STEPS - 1}.")
    interrupted, uninterrupted = (f"{secrets.token_hex(4)}-{name}" for name in ("cut", "whole"))

    print(f"Training 1 is killed after {die_after} of {EPOCHS * STEPS} batches.", flush=True)
    status = start("killed", interrupted, "--die-after", str(die_after))
    if status != -signal.SIGKILL:
        sys.exit(f"Training 1 was not killed, but ended with status {status}.")
    print("Training 2 goes on where the last checkpoint of training 1 was taken.", flush=True)
    check(start("resumed", interrupted))
    print("Training 3 is not interrupted.", flush=True)
    check(start("uninterrupted", uninterrupted))

    ends = [np.load(end_of(run_id)) for run_id in (interrupted, uninterrupted)]
    differing = [name for name in ends[0] if not np.array_equal(ends[0][name], ends[1][name])]
    if differing:
        sys.exit(f"Trainings 2 and 3 differ in {len(differing)} of {len(ends[0])} tensors.")
    print(f"\nTrainings 2 and 3 ended with the same {len(ends[0])} tensors, bit for bit.")
    print(f"They lie in   {end_of(interrupted)} and {end_of(uninterrupted)}")


def start(part: str, run_id: str, *arguments: str) -> int:
    """Runs this script for one of the parts; returns its exit status."""
    command = [sys.executable, __file__, "--part", part, "--run-id", run_id, *arguments]
    return subprocess.run(command, check=False).returncode


def check(status: int) -> None:
    """Ends this process if another one failed."""
    if status:
        sys.exit(status)


def train(run_id: str, more_callbacks: list[keras.callbacks.Callback] | None = None) -> None:
    """Trains to the end, from the last checkpoint of the run if it has one."""
    # The same id makes it the same run.
    with wandb.init(project="wk-resume", id=run_id, mode="offline"):
        model = build_model()
        callbacks = [*build_callbacks(run_id), *(more_callbacks or [])]
        model.fit(Digits(), epochs=EPOCHS, callbacks=callbacks, **FIT)
        keep_end(model, run_id)


FIT: dict[str, Any] = {"shuffle": False, "verbose": 0}  # `Digits` has an order of its own


class Digits(keras.utils.PyDataset):  # type: ignore[misc]  # Keras ships no types
    """Scanned digits in another order in each epoch."""

    def __init__(self) -> None:
        super().__init__()
        images, self._labels = load_digits(return_X_y=True)
        self._images = images.reshape(-1, 8, 8, 1).astype("float32") / 16
        self._epoch = 0

    def __len__(self) -> int:
        """Returns the number of batches."""
        return STEPS

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns a batch of the epoch."""
        order = np.random.default_rng(self._epoch).permutation(len(self._labels))
        chosen = order[index * BATCH_SIZE : (index + 1) * BATCH_SIZE]
        return self._images[chosen], self._labels[chosen]

    def on_epoch_end(self) -> None:
        """Goes on to the order of the next epoch."""
        self._epoch += 1


class Die(keras.callbacks.Callback):  # type: ignore[misc]
    """Kills this process, which has no chance to tidy up.

    Args:
        after: How many batches it may train.
    """

    def __init__(self, after: int) -> None:
        super().__init__()
        self._left = after

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Counts the batches."""
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def build_model() -> keras.Model:
    """Returns a compiled network; its dropout draws random numbers."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(16, 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    return model


def build_callbacks(run_id: str) -> list[keras.callbacks.Callback]:
    """Returns the callbacks of a training."""
    return [
        WandbMetricsLogger("batch"),
        keras.callbacks.ReduceLROnPlateau("loss", patience=1, factor=0.5, min_delta=0.02),
        WandbModelCheckpoint(
            DIRECTORY / f"{run_id}.keras", "loss", save_freq=SAVE_FREQ, resume="auto"
        ),
    ]


def keep_end(model: keras.Model, run_id: str) -> None:
    """Writes down what a training has arrived at."""
    variables = [*model.weights, *model.optimizer.variables]
    tensors = {variable.path: keras.ops.convert_to_numpy(variable) for variable in variables}
    np.savez(end_of(run_id), **tensors)


def end_of(run_id: str) -> Path:
    """Returns the file in which `keep_end` writes."""
    return DIRECTORY / f"{run_id}.npz"


if __name__ == "__main__":
    main()
