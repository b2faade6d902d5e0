"""The training that all engines are shown with, and what each process keeps of it."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import wandb

from wk_checkpoint import WandbModelCheckpoint, restore
from wk_core.compat.keras.flavour import PyDataset, keras, values_of
from wk_core.process import this_process
from wk_eval import RegressionEval
from wk_metrics import WandbGradientLogger, WandbMetricsLogger

SAMPLES, BATCH = 64, 8
BATCHES = SAMPLES // BATCH
EPOCHS = 3
PROJECT = "distributed"
X: Final = np.random.default_rng(0).random((SAMPLES, 4)).astype("float32")
Y: Final = X.sum(axis=1, keepdims=True)


def build() -> Any:
    """Returns a compiled model, the same with every engine.

    What it computes does not depend on how a batch is divided; but the statistics of the batch
    normalisation are of the kind that all TensorFlow workers have to read together.
    """
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(8, activation="relu", kernel_initializer=_weights(4, 8), name="hidden"),
            layers.BatchNormalization(trainable=False),
            layers.Dense(1, kernel_initializer=_weights(8, 1), name="out"),
        ]
    )
    model.compile("adam", "mse", metrics=["mae"])
    return model


def _weights(*shape: int) -> Any:
    """Returns an initializer whose weights are the same with every engine."""
    values = np.random.default_rng(1).normal(size=shape).astype("float32")
    return keras.initializers.Constant(values / 2)


class Share(PyDataset):  # type: ignore[misc]  # Keras ships no types
    """This process's rows of each batch."""

    def __len__(self) -> int:
        """Returns the number of batches."""
        return BATCHES

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns the rows of a batch."""
        process = this_process()
        rows = np.arange(index * BATCH, (index + 1) * BATCH)
        mine = np.array_split(rows, process.count)[process.index]
        return X[mine], Y[mine]


def train(
    directory: Path,
    run_id: str,
    filepath: str,
    make_model: Callable[[], Any],
    make_data: Callable[[], Any],
    *,
    save_weights_only: bool = False,
) -> None:
    """Trains, then restores a checkpoint and trains the last epoch once more.

    Args:
        directory: Where files go.
        run_id: The id of the run, which only the process that writes begins.
        filepath: Where checkpoints go, below the directory.
        make_model: Makes the model, as the engine wants it.
        make_data: Makes the data of this process.
        save_weights_only: Whether checkpoints hold weights alone.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with begin_run(run_id, dir=directory):
        model = make_model()
        model.fit(
            make_data(),
            epochs=EPOCHS,
            shuffle=False,
            verbose=0,
            callbacks=callbacks(directory / filepath, save_weights_only=save_weights_only),
        )
    keep(directory, f"{run_id}-end", model)
    again = make_model()
    state = restore(again, str(directory / filepath).format(epoch=EPOCHS - 1))
    assert state.initial_epoch == EPOCHS - 1
    rate = keras.callbacks.LearningRateScheduler(_rate)
    state.fit(again, make_data(), epochs=EPOCHS, shuffle=False, verbose=0, callbacks=[rate])
    keep(directory, f"{run_id}-again", again)


def _rate(epoch: int) -> float:
    return 0.01 / (epoch + 1)


def callbacks(filepath: Path, *, save_weights_only: bool = False) -> list[Any]:
    """Returns the callbacks of the training."""
    return [
        WandbMetricsLogger("batch", throughput=True, log_model_info=True),
        WandbModelCheckpoint(filepath, "loss", save_weights_only=save_weights_only),
        RegressionEval((X[:6], Y[:6])),
        keras.callbacks.LearningRateScheduler(_rate),
    ]


def look_at_gradients(*data: Any, batch_size: int | None = None) -> None:
    """Trains while the gradients of the steps are looked at."""
    logger = WandbGradientLogger(log_freq="batch", full_every=3, norms_every=1)
    settings = {"batch_size": batch_size, "epochs": 2, "shuffle": False, "verbose": 0}
    build().fit(*data, callbacks=[logger], **settings)


def keep(directory: Path, name: str, model: Any) -> None:
    """Writes down what a model has arrived at."""
    values = values_of([*model.weights, *model.optimizer.variables])
    np.savez(directory / f"{name}-{this_process().index}.npz", *values)


def kept(directory: Path, name: str, index: int) -> list[np.ndarray]:
    """Returns what a process has written down of a model's values.

    Args:
        directory: Where it was.
        name: `<run id>-end`, or `<run id>-again` for the one that was restored.
        index: The process's number.
    """
    with np.load(directory / f"{name}-{index}.npz") as file:
        return [file[each] for each in file.files]


def begin_run(run_id: str, **arguments: Any) -> contextlib.AbstractContextManager[Any]:
    """Begins a run in the process that writes; none in the others."""
    if this_process().writes:
        return wandb.init(project=PROJECT, id=run_id, **arguments)
    return contextlib.nullcontext()
