"""Where a training stands: what a checkpoint holds besides weights and optimizer state."""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import wandb

from wk_checkpoint.checkpoint import CheckpointStep
from wk_checkpoint.state import random_state
from wk_checkpoint.state.resume import fit_rest
from wk_core.compat.keras.flavour import (
    metric_variables,
    seed_variables,
    seedless_layers,
    values_of,
)
from wk_core.compat.keras.hooks import call_after_next, is_in_fit
from wk_core.compat.keras.layer_state import recurrent_states
from wk_core.state import callback_state

__all__ = ["TrainingState", "record", "restore", "restore_metrics", "restore_model"]


@dataclass(frozen=True)
class TrainingState:
    """Where a restored training stands.

    Attributes:
        initial_epoch: The epoch to go on with, counted from 0, for `model.fit`.
        batch: The number of batches of that epoch that are already trained; 0 at its begin.
        global_step: The number of batches on which the model has been trained; None if unknown.
        best: The best value of the monitored metric so far; None if there is none.
        metrics: Keras' logs at the checkpoint: metrics by name.
    """

    initial_epoch: int
    batch: int
    global_step: int | None
    best: float | None
    metrics: Mapping[str, float]
    _metric_values: tuple[np.ndarray, ...] = field(default=(), repr=False)

    def fit(self, model: Any, data: Any, *, epochs: int, **arguments: Any) -> Any:
        """Calls `model.fit` for the rest of the training, also from the middle of an epoch.

        The first epoch skips the batches that are already trained; the metrics at its end are those
        of all its batches. Callbacks see one training, with one begin and one end. At the begin of
        an epoch this is `model.fit(data, initial_epoch=state.initial_epoch, ...)`.

        Args:
            model: The restored model.
            data: A `keras.utils.PyDataset` or `tf.data.Dataset` of one epoch. With
                `steps_per_epoch`, a `tf.data.Dataset` of the whole training, from its beginning,
                that yields the same batches in each iteration.
            epochs: The epoch to end before, as in `model.fit`.
            **arguments: Further arguments of `model.fit`.

        Returns:
            The `History` of the training.

        Raises:
            TypeError: If the training stands within an epoch, and the first batches of `data`
                cannot be skipped.
        """
        return fit_rest(
            model,
            data,
            initial_epoch=self.initial_epoch,
            batch=self.batch,
            global_step=self.global_step,
            metrics=self.metrics,
            metric_values=self._metric_values,
            epochs=epochs,
            **arguments,
        )


def record(
    step: CheckpointStep, *, best: float | None, model: Any, callbacks: Iterable[Any]
) -> dict[str, Any]:
    """Returns what a checkpoint holds besides the content of Keras' own files.

    Args:
        step: The step of the training at which the checkpoint is taken.
        best: The best value of the monitored metric so far.
        model: The model; its variables must hold the training state.
        callbacks: The callbacks of the `fit`, whose state is saved.
    """
    return {
        "initial_epoch": step.next_epoch_of_model,
        "batch": 0 if step.batch is None else step.batch + 1,
        "global_step": step.global_step,
        "best": best,
        "metrics": dict(step.logs),
        "seeds": values_of(seed_variables(model)),
        "recurrent_states": values_of(recurrent_states(model)),
        "metric_values": [] if step.batch is None else values_of(metric_variables(model)),
        "callbacks": callback_state.states_of(callbacks),
        "random": random_state.capture(),
        "random_of_epoch": step.random_of_epoch,
    }


def restore(
    state: Mapping[str, Any], model: Any, callbacks: Sequence[Any], *, source: str
) -> TrainingState:
    """Restores random generators and callbacks; returns where the training stands.

    Args:
        state: The value that `record` returned.
        model: The model, whose weights and optimizer state are already restored.
        callbacks: The callbacks of the next `fit`.
        source: The name of the checkpoint, for errors.

    Raises:
        ValueError: If the model has another number of random variables than the saved one.
    """
    restore_model(state, model, source)
    unkept = seedless_layers(model)
    if unkept:
        wandb.termwarn(
            f"{source}: {', '.join(unkept)} draw random numbers that Keras 2 keeps nowhere: "
            "training goes on with others. They go on where they stood if "
            "`tf.keras.backend.experimental.enable_tf_random_generator()` is called before the "
            "model is made."
        )
    random_state.restore(state["random"])
    # Keras may draw a batch before the first epoch to learn its shape: restore once more after it.
    restore_again = partial(random_state.restore, state["random"])
    if callbacks:
        call_after_next(callbacks[0], "on_epoch_begin", restore_again)
    else:
        _at_next_epoch(model, restore_again)
    missing = callback_state.restore_states(callbacks, state["callbacks"])
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


def restore_model(state: Mapping[str, Any], model: Any, source: str) -> None:
    """Restores the variables of a model that are in no file of Keras: seeds and recurrent states.

    Args:
        state: The value that `record` returned.
        model: The model, whose weights and optimizer state are already restored.
        source: The name of the checkpoint, for errors.

    Raises:
        ValueError: If the model has another number of random variables than the saved one.
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


def restore_metrics(values: Sequence[np.ndarray], model: Any) -> None:
    """Restores what a model's metrics have seen of an epoch; without values they begin anew."""
    variables = metric_variables(model)
    if len(values) != len(variables):
        model.reset_metrics()
        return
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _at_next_epoch(model: Any, task: Callable[[], None]) -> None:
    """Runs a task when the first epoch of the model's next `fit` begins."""

    def run_in_fit() -> None:
        if is_in_fit(model):
            task()
        else:  # `evaluate` resets the metrics as well
            _at_next_epoch(model, task)

    call_after_next(model, "reset_metrics", run_in_fit)
