"""Processes: those of JAX's runtime, and the children of a Python process at its end."""

import sys
from collections.abc import Callable
from multiprocessing import util
from typing import Any

from wk_core.compat.entries import find, say_missing, stands_on

__all__ = ["end_of_workers", "process_of_jax"]


@stands_on(
    "multiprocessing.util._exit_function",
    why="`multiprocessing` has no public function that ends child processes as at exit",
    versions="Python 3.3 to 3.14",
    without="a worker that outlives the main script may lose what it logs last",
    report="not reported: for Python, an exit order that can be chosen",
)
def end_of_workers() -> Callable[[], None] | None:
    """Returns the exit hook of `multiprocessing`, which ends workers; None where it is not known.

    It is registered with `atexit` when `multiprocessing` is imported.
    """
    hook: Callable[[], None] | None = getattr(util, "_exit_function", None)
    if hook is None:
        say_missing(end_of_workers)
    return hook


@stands_on(
    "jax._src.distributed.global_state",
    why="`jax.process_index()` starts the backend, and waits for the other processes; JAX 0.5.0 "
    "does not say publicly whether `jax.distributed` is initialized",
    versions="JAX 0.4 to 0.12",
    without="JAX's public functions are asked, so making a callback may start JAX's backend",
    report="not reported: for JAX, the index of a process before its backend starts",
)
def process_of_jax() -> tuple[int, int] | None:
    """Returns the index of this process in JAX's runtime, and the number of processes.

    Returns:
        Both; None where `jax.distributed` is not initialized.
    """
    jax = sys.modules["jax"]
    state = find("jax._src.distributed.global_state")
    if not _is_initialized(jax.distributed, state):
        return None
    index, count = getattr(state, "process_id", None), getattr(state, "num_processes", None)
    if index is None or count is None:
        return jax.process_index(), jax.process_count()
    return index, count


def _is_initialized(distributed: Any, state: Any) -> bool:
    if hasattr(distributed, "is_initialized"):
        return bool(distributed.is_initialized())
    return state is None or getattr(state, "client", None) is not None
