"""A process that trains and saves all the time, until it is killed."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
import wandb

from wk_checkpoint import WandbModelCheckpoint

__all__ = ["BRANCHES", "SIZE", "counting_model", "fit", "write_until_killed"]

SIZE: Final = 1 << 16
BRANCHES: Final = 8


def counting_model(start: int = 0) -> Any:
    """Returns a model of 4 MB in which everything is the number of the last step.

    Each step adds exactly 1 to all weights and to the optimizer's counter; the optimizer's
    average of each weight is the weight itself. So a checkpoint in which two numbers differ is a
    mixture of two. Every layer and optimizer is Keras' own: whatever loads it needs nothing else.

    Args:
        start: The number to begin with.
    """
    inputs = keras.Input((SIZE,))
    branches = [
        keras.layers.Dense(1, use_bias=False, kernel_initializer=keras.initializers.Constant(start))
        for _ in range(BRANCHES)
    ]
    model = keras.Model(inputs, keras.layers.Add()([branch(inputs) for branch in branches]))
    # The target is out of reach: each weight's gradient is minus its input, which is 1.
    model.compile(keras.optimizers.SGD(1.0, use_ema=True, ema_momentum=0.0), "mae")
    model.optimizer.build(model.trainable_variables)
    model.optimizer.iterations.assign(start)
    return model


def fit(model: Any, steps: int, callbacks: Sequence[Any]) -> None:
    """Trains a counting model."""
    one = np.ones((1, SIZE), "float32")
    batches = ((one, np.full((1, 1), 1e30, "float32")) for _ in range(steps))
    model.fit(batches, steps_per_epoch=steps, shuffle=False, verbose=0, callbacks=[*callbacks])


class _Begun(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Sets an event when the first step is done."""

    def __init__(self, event: Any) -> None:
        super().__init__()
        self._event = event

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        self._event.set()


def write_until_killed(
    path: Path, start: int, directory: Path, contestant: str, ready: Any
) -> None:
    """Saves a counting model after each step, in an offline run.

    Args:
        path: Where to.
        start: The number to begin with.
        directory: Where the run's own files go.
        contestant: `"wk"`, or `"keras"` for Keras' own callback.
        ready: An event, set when the first checkpoint is saved, and more are on their way.
    """
    tempfile.tempdir = str(directory)
    model = counting_model(start)
    weights_only = path.name.endswith(".weights.h5")
    arguments: dict[str, Any] = {"save_freq": 1, "save_weights_only": weights_only}
    with wandb.init(project="kills", mode="offline", dir=directory):
        kind = WandbModelCheckpoint if contestant == "wk" else keras.callbacks.ModelCheckpoint
        fit(model, 1, [kind(path, **arguments)])
        fit(model, 1 << 20, [_Begun(ready), kind(path, **arguments)])
