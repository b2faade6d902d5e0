"""Private parts of JAX."""

import sys

from wk_core.compat.entries import find, stands_on

__all__ = ["process_of_jax"]


@stands_on(
    "jax._src.distributed.global_state",
    why="`jax.process_index()` starts the backend, and waits for the other processes",
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
    if not jax.distributed.is_initialized():
        return None
    state = find("jax._src.distributed.global_state")
    index, count = getattr(state, "process_id", None), getattr(state, "num_processes", None)
    if index is None or count is None:
        return jax.process_index(), jax.process_count()
    return index, count
