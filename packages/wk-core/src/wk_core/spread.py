"""JAX arrays that are spread over the processes of a training."""

from typing import Any

from wk_core.keras import backend

__all__ = ["is_split", "is_spread", "whole"]


def is_spread(model: Any) -> bool:
    """Tells whether several processes share a model's arrays, in parts or in copies."""
    return backend() == "jax" and not all(
        variable.value.is_fully_addressable for variable in model.variables
    )


def is_split(model: Any) -> bool:
    """Tells whether a process has only parts of a model, so that saving it takes all of them."""
    if backend() != "jax":
        return False
    optimizer = getattr(model, "optimizer", None)
    variables = [*model.variables, *([] if optimizer is None else optimizer.variables)]
    return any(_is_part(variable.value) for variable in variables)


def whole(value: Any) -> Any:
    """Returns all of an array as one of this process alone.

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
