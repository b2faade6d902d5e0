"""Going on from a checkpoint."""

import os
from collections.abc import Iterable
from typing import Any

import wandb

from wk_checkpoint.artifacts.server import checkpoint_from
from wk_checkpoint.formats import format_of
from wk_checkpoint.saver import wait_for_savers
from wk_checkpoint.state.model_state import keras_2 as model_state_keras_2
from wk_checkpoint.state.model_state import keras_3 as model_state
from wk_checkpoint.state.training_state import TrainingState, put_back
from wk_core.keras import LEGACY
from wk_core.strategy import scope_of

__all__ = ["restore"]

_model_state = model_state_keras_2 if LEGACY else model_state


def restore(
    model: Any,
    artifact: str | os.PathLike[str] | None = None,
    *,
    run: wandb.Run | None = None,
    callbacks: Iterable[Any] = (),
) -> TrainingState:
    """Puts a training back to where it stood when a checkpoint was taken.

    That is the model's weights, its optimizer's state and the seeds of its random layers; the
    random numbers of Python, NumPy, Keras and PyTorch; and what callbacks remember: Keras'
    `EarlyStopping`, `ReduceLROnPlateau`, `ModelCheckpoint` and `SwapEMAWeights`,
    `WandbModelCheckpoint`, `WandbMetricsLogger`, and whichever has `get_training_state` and
    `set_training_state`. On the CPU training goes on bit for bit as if it had never been
    interrupted, where its data do.

    Args:
        model: The model, compiled as the one that was saved.
        artifact: Which checkpoint: an alias of the run's own, as `"best"`, `"latest"` or
            `"epoch_3"`; any artifact, as `"entity/project/name:alias"`; or the path of a file or
            a directory. Defaults to None: the run's latest, as this machine or the server has it.
        run: The run. Defaults to the active one; for a path none is needed.
        callbacks: The callbacks of the `fit` to come. Where one of them remembers something of
            which the checkpoint knows nothing, a warning says so.

    Returns:
        Where the training stands; `state.initial_epoch` is for `model.fit`, and `state.fit` goes
        on within an epoch.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If it was not written by wk, or the model is not the one that was saved.
        wandb.Error: If a run is needed, and none is given or active.

    Example:
        ```python
        import keras
        import numpy as np
        import wandb
        from wk_checkpoint import WandbModelCheckpoint, restore

        x, y = np.random.rand(64, 4), np.random.rand(64, 1)


        def compiled():
            model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
            model.compile(optimizer="adam", loss="mse")
            return model


        with wandb.init(mode="offline"):
            callbacks = [WandbModelCheckpoint("model.keras", monitor="loss")]
            compiled().fit(x, y, epochs=2, verbose=0, callbacks=callbacks)

            model = compiled()
            state = restore(model, "latest", callbacks=callbacks)
            assert state.initial_epoch == 2
        ```
    """
    callbacks = list(callbacks)
    wait_for_savers()
    with checkpoint_from(artifact, run) as path:
        source = f"Checkpoint {os.fspath(artifact or path)!r}"
        checkpoint_format = format_of(path)
        state = checkpoint_format.training_state(path)
        if state is None:
            raise ValueError(
                f"{source} holds no training state: WandbModelCheckpoint has not written it. "
                "`keras.saving.load_model` or `model.load_weights` may load it."
            )
        with scope_of(model):
            checkpoint_format.build(model, path)
            _model_state.prepare(model, state["model"], source)
            checkpoint_format.load(model, path)
            _model_state.put_back_beside(model, state, source)
    return put_back(state, model, callbacks, source=source)
