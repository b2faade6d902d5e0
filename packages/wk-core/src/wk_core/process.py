"""Which process of a training this is, and whether it writes.

A training on several machines, or several accelerators, is one program in several processes. Their
metrics are the same, so one of them writes: process 0.
"""

import functools
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import wandb

from wk_core.arguments import is_whole_number
from wk_core.compat.keras.flavour import backend
from wk_core.compat.processes import process_of_jax

__all__ = [
    "VARIABLE",
    "Process",
    "jax_process",
    "set_process",
    "shared_settings",
    "tensorflow_process",
    "this_process",
]

VARIABLE: Final = "WK_PROCESS"
"""The environment variable that says which process this is, as `"1/4"`: the second of four."""

# In the order of their numbers: the first one writes.
_TASKS: Final = ("chief", "master", "worker", "ps", "evaluator")


@dataclass(frozen=True)
class Process:
    """One process of a training.

    Attributes:
        index: Its number, from 0.
        count: How many there are.
        source: What says so, as `"TF_CONFIG"`.
    """

    index: int = 0
    count: int = 1
    source: str = "default"

    @property
    def writes(self) -> bool:
        """Whether it is the one that writes metrics, checkpoints and evaluations."""
        return self.index == 0


_given: Process | None = None


def set_process(index: int | None, count: int = 1) -> None:
    """Says which process of a training this is, instead of finding out.

    Call it before the callbacks are made.

    Args:
        index: Its number, from 0: process 0 writes. None goes back to finding out.
        count: How many there are. Defaults to 1.

    Raises:
        ValueError: If there is no such process.

    Example:
        ```python
        from wk_core import set_process, this_process

        set_process(1, 4)
        assert not this_process().writes

        set_process(None)
        assert this_process().writes
        ```
    """
    global _given
    _given = None if index is None else _checked(index, count, "set_process")


def this_process() -> Process:
    """Returns which process of a training this is; says so once where there are several.

    The first one that knows decides: `set_process`; the environment variable `WK_PROCESS`; Ray
    Train; JAX, where it is Keras' backend and `jax.distributed` is initialised; an initialised
    `torch.distributed`; the `tf.distribute` strategy in whose scope this is called; `TF_CONFIG`.
    Asking imports no backend and initialises nothing.

    Raises:
        ValueError: If `WK_PROCESS` or `TF_CONFIG` cannot be read.
    """
    process = (
        _given
        or _from_variable()
        or _from_ray()
        or jax_process()
        or _from_torch()
        or tensorflow_process()
        or Process()
    )
    if process.count > 1:
        _say(process)
    return process


def shared_settings() -> wandb.Settings:
    """Returns settings with which the processes of a training report to one run.

    Each process calls `wandb.init(id=..., settings=shared_settings())` with the same id. System
    metrics and console output then carry the process's label, `process_<index>`; process 0 decides
    how the run ends. wandb calls its shared mode experimental, and it needs a server.
    """
    process = this_process()
    return wandb.Settings(
        mode="shared",
        x_label=f"process_{process.index}",
        x_primary=process.writes,
        x_update_finish_state=process.writes,
    )


@functools.cache
def _say(process: Process) -> None:
    role = "writes to W&B" if process.writes else "leaves it to process 0 to write to W&B"
    wandb.termlog(
        f"wk: this is process {process.index} of {process.count} ({process.source}); it {role}."
    )


def _checked(index: Any, count: Any, source: str) -> Process:
    numbers = is_whole_number(index) and is_whole_number(count)
    if not numbers or not 0 <= index < count:
        raise ValueError(
            f"{source}: the number of a process must be from 0 to one less than their count. "
            f"Received: index={index!r}, count={count!r}"
        )
    return Process(int(index), int(count), source)


def _from_variable() -> Process | None:
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return None
    index, _, count = text.partition("/")
    if not (index.isdecimal() and count.isdecimal()):
        raise ValueError(
            f"{VARIABLE} must be the number of this process and their count, as '1/4'. "
            f"Received: {VARIABLE}={text!r}"
        )
    return _checked(int(index), int(count), VARIABLE)


def _from_ray() -> Process | None:
    train = sys.modules.get("ray.train")
    if train is None:
        return None
    try:
        context = train.get_context()
    except RuntimeError:  # not in a training worker
        return None
    rank, size = context.get_world_rank(), context.get_world_size()
    return None if rank is None else Process(rank, size, "Ray Train")


def jax_process() -> Process | None:
    """Returns which process of JAX' own runtime this is; None where that is not in use."""
    if "jax" not in sys.modules or backend() != "jax":
        return None
    found = process_of_jax()
    return None if found is None else Process(*found, "JAX")


def _from_torch() -> Process | None:
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not (distributed.is_available() and distributed.is_initialized()):
        return None
    return Process(distributed.get_rank(), distributed.get_world_size(), "torch.distributed")


def tensorflow_process() -> Process | None:
    """Returns which of TensorFlow's tasks this process is, by its strategy or by `TF_CONFIG`."""
    return _from_strategy() or _from_tf_config()


def _from_strategy() -> Process | None:
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None:
        return None
    resolver = tensorflow.distribute.get_strategy().cluster_resolver
    if resolver is None or resolver.task_type is None:
        return None
    return _task(resolver.cluster_spec().as_dict(), resolver.task_type, resolver.task_id)


def _from_tf_config() -> Process | None:
    text = os.environ.get("TF_CONFIG", "").strip()
    if not text:
        return None
    try:
        config = json.loads(text)
        cluster, task = config.get("cluster", {}), config.get("task", {})
        return _task(cluster, task.get("type", "worker"), int(task.get("index", 0)), "TF_CONFIG")
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(
            f"TF_CONFIG must be JSON with a `cluster` and a `task`. Received: TF_CONFIG={text!r}"
        ) from error


def _task(
    cluster: Mapping[str, Any], kind: str, index: int, source: str = "tf.distribute"
) -> Process:
    kinds = [*_TASKS, *sorted(set(cluster) - set(_TASKS))]
    before = kinds[: kinds.index(kind)] if kind in kinds else kinds
    number = sum(len(cluster.get(each, ())) for each in before) + index
    # TensorFlow leaves an evaluator out of the cluster.
    count = max(sum(map(len, cluster.values())), number + 1)
    return Process(number, count, source)
