"""The documented failures of `WandbModelCheckpoint`: what it does then, and what it says."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from documented_uses.checkpoint import note_restored
from documented_uses.recorder import Recorder
from documented_uses.training import fit, linear_model, sgd
from documented_uses.use import use
from wk_checkpoint import (
    CheckpointError,
    MissingTensorFlowError,
    UnserializableModelError,
    WandbModelCheckpoint,
)
from wk_core.compat.keras.flavour import keras


class _Terminate(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Sends SIGTERM to this process at the begin of the third batch."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        if batch == 2:
            os.kill(os.getpid(), signal.SIGTERM)


@use()
def preemption(record: Recorder) -> None:
    """Ends a training with a checkpoint and exit status 75."""
    before = signal.signal(signal.SIGTERM, lambda *_: None)  # wk calls it, then ends the process
    try:
        with record.run():
            checkpoint = WandbModelCheckpoint("model.keras", "loss", preemption=True)
            fit(linear_model(), [checkpoint, _Terminate()])
    except SystemExit as ended:
        record.note("exit status", ended.code)
    finally:
        signal.signal(signal.SIGTERM, before)
    note_restored(record, "model.keras")


class _Opaque(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """A layer whose configuration cannot be written down."""

    def __init__(self, argument: Any) -> None:
        super().__init__()
        self._argument = argument

    def call(self, inputs: Any) -> Any:
        """Returns the inputs."""
        return inputs


@use()
def model_that_cannot_be_written_down(record: Recorder) -> None:
    """Refuses to save a model that Keras cannot serialize, before the first batch."""
    model = keras.Sequential([keras.Input((3,)), _Opaque(object()), keras.layers.Dense(1)])
    model.compile(sgd(0.1), "mse")
    with record.run():
        try:
            fit(model, [WandbModelCheckpoint("model.keras", "loss")], epochs=1)
        except UnserializableModelError as error:
            record.note("raised", type(error).__name__)


@use()
def path_that_is_taken(record: Recorder) -> None:
    """Says that a checkpoint could not be written, here below a file."""
    with record.run():
        checkpoint = WandbModelCheckpoint("taken/model.keras", "loss")
        Path("taken").touch()
        try:
            fit(linear_model(), [checkpoint], epochs=1)
        except CheckpointError as error:
            record.note("raised", type(error).__name__)


@use()
def paths_that_mean_nothing(record: Recorder) -> None:
    """Says what is accepted, and what to install where TensorFlow is missing."""
    with record.run():
        try:
            WandbModelCheckpoint("model.pth")
        except ValueError as error:
            record.note("an unknown ending", str(error))
        with _without_tensorflow():
            try:
                WandbModelCheckpoint("models")
            except MissingTensorFlowError as error:
                record.note("a directory", str(error))


@contextlib.contextmanager
def _without_tensorflow() -> Iterator[None]:
    """Has imports of TensorFlow fail, as where it is not installed."""
    module = sys.modules.get("tensorflow")
    sys.modules["tensorflow"] = None  # type: ignore[assignment]  # what the import system asks for
    try:
        yield
    finally:
        del sys.modules["tensorflow"]
        if module is not None:
            sys.modules["tensorflow"] = module
