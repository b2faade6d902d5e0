"""Where a training stands, besides the model's weights and its optimizer's state."""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import wandb

from wk_checkpoint.state import random_state
from wk_checkpoint.state.resume import fit_from
from wk_checkpoint.step import Moment
from wk_core import callback_state
from wk_core.callbacks import after_next, is_in_fit
from wk_core.keras_saving import (
    layers_without_kept_seeds,
    metric_variables,
    seed_variables,
    values_of,
)
from wk_core.layer_state import recurrent_states

__all__ = ["TrainingState", "put_back", "record"]


@dataclass(frozen=True)
class TrainingState:
    """Where a restored training stands.

    Attributes:
        initial_epoch: The 0-based number of the epoch to go on with, for `model.fit`.
        batch: How many batches of that epoch have been trained; 0 where it has not begun.
        global_step: How many batches the model has been trained on; None where nobody counts.
        best: The best value of the monitored metric so far; None if there is none.
        metrics: What Keras reported when the checkpoint was taken.
    """

    initial_epoch: int
    batch: int
    global_step: int | None
    best: float | None
    metrics: Mapping[str, float]
    _metric_values: tuple[np.ndarray, ...] = field(default=(), repr=False)

    def fit(self, model: Any, data: Any, *, epochs: int, **arguments: Any) -> Any:
        """Goes on with `model.fit` where the training stands, in the middle of an epoch too.

        To the callbacks it is one training. The first epoch leaves out the batches that were
        trained already, and the metrics of its end are those of all its batches. Where an epoch is
        complete, this is `model.fit(data, initial_epoch=state.initial_epoch, ...)`.

        Args:
            model: The restored model.
            data: A `keras.utils.PyDataset` or a `tf.data.Dataset`: of one epoch, or, with
                `steps_per_epoch`, a `tf.data.Dataset` of the whole training, from its beginning,
                that yields the same each time it is iterated over.
            epochs: The number of the epoch to end with, as in `model.fit`.
            **arguments: Further arguments of `model.fit`.

        Returns:
            The `History` of the training.

        Raises:
            TypeError: If the training stands within an epoch, and `data` cannot be positioned.
        """
        return fit_from(self, self._metric_values, model, data, epochs=epochs, **arguments)


def record(
    moment: Moment, *, best: float | None, model: Any, callbacks: Iterable[Any]
) -> dict[str, Any]:
    """Returns what a checkpoint has to hold besides what Keras' writers save.

    Args:
        moment: When the checkpoint is taken.
        best: The best value of the monitored metric so far.
        model: The model; its variables hold the training state.
        callbacks: The callbacks of the `fit`.
    """
    return {
        "initial_epoch": moment.next_epoch_of_model,
        "batch": 0 if moment.batch is None else moment.batch + 1,
        "global_step": moment.global_step,
        "best": best,
        "metrics": dict(moment.logs),
        "seeds": values_of(seed_variables(model)),
        "recurrent_states": values_of(recurrent_states(model)),
        "metric_values": [] if moment.batch is None else values_of(metric_variables(model)),
        "callbacks": callback_state.states_of(callbacks),
        "random": random_state.taken(),
    }


def put_back(
    state: Mapping[str, Any], model: Any, callbacks: Sequence[Any], *, source: str
) -> TrainingState:
    """Puts random numbers and callbacks where they stood; returns where the training stands.

    Args:
        state: What `record` returned.
        model: The model, with its weights and its optimizer's state restored.
        callbacks: The callbacks of the `fit` to come.
        source: Where the state comes from, for errors.

    Raises:
        ValueError: If the model has other random variables than the one that was saved.
    """
    seeds = seed_variables(model)
    if len(seeds) != len(state["seeds"]):
        raise ValueError(
            f"{source} was saved from a model with {len(state['seeds'])} seed generators, but "
            f"{model.name!r} has {len(seeds)}: it would not draw the same random numbers."
        )
    for variable, value in zip(seeds, state["seeds"], strict=True):
        variable.assign(value)
    for variable, value in zip(recurrent_states(model), state["recurrent_states"], strict=True):
        variable.assign(value)
    unkept = layers_without_kept_seeds(model)
    if unkept:
        wandb.termwarn(
            f"{source}: {', '.join(unkept)} draw random numbers that Keras 2 keeps nowhere: "
            "training goes on with others. They go on where they stood if "
            "`tf.keras.backend.experimental.enable_tf_random_generator()` is called before the "
            "model is made."
        )
    random_state.put_back(state["random"])
    # Keras may draw a batch to learn its shape before the first epoch: once more, then.
    again = partial(random_state.put_back, state["random"])
    if callbacks:
        after_next(callbacks[0], "on_epoch_begin", again)
    else:
        _at_next_epoch(model, again)
    missing = callback_state.put_back(callbacks, state["callbacks"])
    if missing:
        warnings.warn(
            f"{source} holds no state of {', '.join(missing)}: they start afresh.", stacklevel=3
        )
    return TrainingState(
        initial_epoch=state["initial_epoch"],
        batch=state["batch"],
        global_step=state["global_step"],
        best=state["best"],
        metrics=state["metrics"],
        _metric_values=tuple(state["metric_values"]),
    )


def _at_next_epoch(model: Any, task: Callable[[], None]) -> None:
    """Has a task run when the first epoch of the next `fit` of a model begins."""

    def run_in_fit() -> None:
        if is_in_fit(model):
            task()
        else:  # `evaluate` resets the metrics, too
            _at_next_epoch(model, task)

    after_next(model, "reset_metrics", run_in_fit)
