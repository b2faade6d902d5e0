"""Models that several processes or accelerators train together."""

import contextlib
import sys
import warnings
from typing import Any

from wk_core.compat.keras.flavour import TRAINS_WITH_WORKERS, backend, keras
from wk_core.compat.keras.sharding import is_multi_process
from wk_core.process import jax_process, tensorflow_process

__all__ = [
    "check_alone",
    "check_distribution",
    "check_keras",
    "replicas_strategy",
    "scope_of",
    "workers_strategy",
]


def replicas_strategy(model: Any) -> Any:
    """Returns the `tf.distribute` strategy that keeps several copies of a model; None without."""
    strategy = getattr(model, "distribute_strategy", None)
    return strategy if strategy is not None and strategy.num_replicas_in_sync > 1 else None


def scope_of(model: Any) -> contextlib.AbstractContextManager[Any]:
    """Returns the scope in which to make variables that belong to a model."""
    tensorflow = sys.modules.get("tensorflow")
    strategy = getattr(model, "distribute_strategy", None)
    if strategy is None or tensorflow is None or strategy is tensorflow.distribute.get_strategy():
        return contextlib.nullcontext()
    scope: contextlib.AbstractContextManager[Any] = strategy.scope()
    return scope


def workers_strategy(model: Any) -> Any:
    """Returns the strategy with which several workers train copies of a model; None without.

    That is TensorFlow's `MultiWorkerMirroredStrategy`. Reading a variable whose copies differ, as a
    metric's state, combines the copies, and all workers must take part: a worker that reads it
    alone waits for ever.
    """
    tensorflow = sys.modules.get("tensorflow")
    strategy = getattr(model, "distribute_strategy", None)
    if tensorflow is None or strategy is None:
        return None
    if not isinstance(strategy, tensorflow.distribute.MultiWorkerMirroredStrategy):
        return None
    tasks = strategy.cluster_resolver.cluster_spec().as_dict()
    return strategy if sum(map(len, tasks.values())) > 1 else None


def check_keras() -> None:
    """Warns if TensorFlow runs in several processes, in which Keras 3 cannot train.

    It is for constructors: `fit` fails before it calls a callback.
    """
    process = tensorflow_process()
    if TRAINS_WITH_WORKERS or backend() != "tensorflow" or process is None or process.count == 1:
        return
    warnings.warn(
        "Keras 3 cannot train under tf.distribute.MultiWorkerMirroredStrategy: `fit` will fail "
        "(https://github.com/keras-team/keras/issues/20585). Keras 2 can: install tf-keras and set "
        "TF_USE_LEGACY_KERAS=1. Or use Keras 3 on JAX, with keras.distribution.",
        stacklevel=2,
    )


def check_distribution() -> None:
    """Warns if each of several JAX processes would train its own model."""
    process = jax_process()
    if process is None or process.count == 1 or keras.distribution.distribution() is not None:
        return
    warnings.warn(
        f"JAX runs in {process.count} processes, but each trains a model of its own: no "
        "distribution is set. Call `keras.distribution.set_distribution(...)` before the model is "
        "made.",
        stacklevel=2,
    )


def check_alone(callback: Any, model: Any) -> None:
    """Checks that a process can look at a model without the others.

    Where several processes train it together, one of them alone would wait for the others for ever.

    Raises:
        ValueError: If it cannot.
    """
    if workers_strategy(model) is not None or is_multi_process(model):
        raise ValueError(
            f"{type(callback).__name__} looks into a model in one process alone, but this one is "
            "trained by several processes together. Use WandbMetricsLogger, WandbModelCheckpoint "
            "and the callbacks of wk-eval there: they know how the processes take part."
        )
