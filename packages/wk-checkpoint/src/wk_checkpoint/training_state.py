"""Where a training stands, besides the model's weights and its optimizer's state."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from wk_checkpoint import random_state
from wk_checkpoint.moment import Moment
from wk_core.callback_state import states_of
from wk_core.keras import keras

__all__ = ["put_back_variables", "record"]


def record(
    moment: Moment,
    *,
    best: float | None,
    unsaved_variables: Iterable[Any],
    callbacks: Iterable[Any],
) -> dict[str, Any]:
    """Returns what a checkpoint has to hold besides what Keras' writers save.

    Args:
        moment: When the checkpoint is taken.
        best: The best value of the monitored metric so far.
        unsaved_variables: The model's variables that Keras does not save: seeds and metrics.
        callbacks: The callbacks of the `fit`.
    """
    return {
        "initial_epoch": moment.epoch + (moment.batch is None),
        "batch": 0 if moment.batch is None else moment.batch + 1,
        "global_step": moment.global_step,
        "best": best,
        "metrics": dict(moment.logs),
        "variables": [
            {"path": variable.path, "value": np.array(keras.ops.convert_to_numpy(variable))}
            for variable in unsaved_variables
        ],
        "callbacks": states_of(callbacks),
        "random": random_state.taken(),
    }
