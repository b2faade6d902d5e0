"""JAX arrays that several processes of a training hold, each a part or a copy."""

from typing import Any

from wk_core.compat.keras.flavour import backend

__all__ = ["gather", "is_multi_process", "is_sharded"]


def is_multi_process(model: Any) -> bool:
    """Returns whether several processes hold a model's arrays, in parts or in copies."""
    return backend() == "jax" and not all(
        variable.value.is_fully_addressable for variable in model.variables
    )


def is_sharded(model: Any) -> bool:
    """Returns whether a process has only parts of a model, so that saving it takes all of them."""
    if backend() != "jax":
        return False
    optimizer = getattr(model, "optimizer", None)
    variables = [*model.variables, *([] if optimizer is None else optimizer.variables)]
    return any(_is_part(variable.value) for variable in variables)


def gather(value: Any) -> Any:
    """Returns the whole of an array as an array of this process alone.

    Where each process has a part, they all have to call this, in the same order.
    """
    if value.is_fully_addressable:
        return value
    if value.is_fully_replicated:
        return value.addressable_data(0)
    from jax.experimental import multihost_utils

    return multihost_utils.process_allgather(value, tiled=True)


def _is_part(value: Any) -> bool:
    return not (value.is_fully_addressable or value.is_fully_replicated)
