"""Which Keras this process uses, decided once.

Keras 3 on any backend, unless `TF_USE_LEGACY_KERAS=1` makes `tf.keras` mean Keras 2: then
`tf_keras`. A callback of one flavour does not work in a `fit` of the other, so every wk callback
takes its base class from here. What the flavours name differently is named here, too.
"""

import os
from typing import Any, Final, Literal

LEGACY: Final = os.environ.get("TF_USE_LEGACY_KERAS", "").strip().lower() in ("1", "true")
"""Whether this process uses Keras 2."""

if LEGACY:
    import tf_keras as keras
    from tf_keras.utils import Sequence as PyDataset
else:
    import keras
    from keras.utils import PyDataset

NOT_IN_FIT: Final[dict[str, Any]] = {"params": None, "model" if LEGACY else "_model": None}
"""The attributes that Keras gives a callback for one `fit`, as they are before it."""

__all__ = [
    "LEGACY",
    "NOT_IN_FIT",
    "PyDataset",
    "backend",
    "compiled_metrics",
    "keras",
    "measured",
    "own_direction",
    "read_scalar",
    "samples_seen",
    "state_is_in_variables",
    "steps_per_execution",
    "sync_state",
]


def backend() -> str:
    """Returns the name of Keras' backend: `"tensorflow"`, `"jax"` or `"torch"`, for example."""
    name: str = "tensorflow" if LEGACY else keras.backend.backend()
    return name


def read_scalar(variable: Any) -> Any:
    """Returns what a variable with a single number holds; `float` and `int` take it.

    They do not take a variable of a `tf.distribute` strategy.
    """
    return variable.numpy() if backend() == "tensorflow" else variable


def steps_per_execution(model: Any) -> int:
    """Returns how many batches the model trains on between two calls of the batch hooks."""
    return int(read_scalar(model._steps_per_execution) if LEGACY else model.steps_per_execution)


def compiled_metrics(model: Any) -> Any:
    """Returns the metrics as `compile` got them; the model itself names them after a batch only."""
    container = model.compiled_metrics if LEGACY else model._compile_metrics
    return None if container is None else container._user_metrics


def measured(model: Any) -> list[Any]:
    """Returns a model's metrics, those of `compile` as far as they are known yet."""
    measures = list(model.metrics)
    if LEGACY:
        return measures
    container = model._compile_metrics
    return [*measures, *([] if container is None else container.metrics)]


def own_direction(measure: Any) -> Literal["min", "max"] | None:
    """Returns whether less or more of a metric is better, where it says so; Keras 2's do not."""
    directions: dict[Any, Literal["min", "max"]] = {"down": "min", "up": "max"}
    return directions.get(getattr(measure, "_direction", None))


def state_is_in_variables(model: Any) -> bool:
    """Tells whether the variables hold the training state.

    On JAX they do not while the batches of an epoch run: what is assigned to one then is lost.
    """
    return bool(getattr(model, "_jax_state_synced", True))


def sync_state(model: Any) -> None:
    """Puts the training state into the variables, where it is not there already.

    Only for the thread that trains: on JAX any other may meet arrays that the next step has
    consumed.
    """
    if not state_is_in_variables(model):
        model.jax_state_sync()


def samples_seen(model: Any) -> int:
    """Returns how many samples went into the model's loss since its metrics were reset.

    The trainers weigh each batch's loss with its number of samples. A model that computes its
    loss in other ways counts none.
    """
    tracker = (
        getattr(getattr(model, "compiled_loss", None), "_total_loss_mean", None)
        if LEGACY
        else getattr(model, "_loss_tracker", None)
    )
    return 0 if tracker is None else int(read_scalar(tracker.count))
