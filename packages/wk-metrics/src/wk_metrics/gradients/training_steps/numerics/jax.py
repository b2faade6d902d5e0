"""Statistics of gradients in JAX's operations."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from wk_metrics.gradients.training_steps.bins import BINS, EXPONENTS, LOWEST, sampled
from wk_metrics.gradients.training_steps.records import ABSENT


def values_of(gradient: Any, scale: Any) -> Any:
    """Returns the values of a gradient over their scale, in 32 bits."""
    values = _floats(gradient)
    return values if scale is None else values / scale


def norms(tensors: Sequence[Any]) -> Any:
    """Returns the norms of arrays, shape (arrays,)."""
    return jnp.sqrt(jnp.stack([jnp.sum(jnp.square(_floats(each))) for each in tensors]))


def extremes(values: Any, norm: Any) -> Any:
    """Returns the least and largest finite value, and the number of others, shape (3,).

    Values of a finite `norm` are finite, which takes a tenth of the time.
    """
    return jax.lax.cond(jnp.isfinite(norm), _extremes_of_finite, _extremes_of_any, values)


def _extremes_of_finite(values: Any) -> Any:
    return jnp.stack([jnp.min(values), jnp.max(values), 0.0])


def _extremes_of_any(values: Any) -> Any:
    finite = jnp.isfinite(values)
    limit = float(np.finfo(np.float32).max)
    least = jnp.min(jnp.where(finite, values, limit))
    largest = jnp.max(jnp.where(finite, values, -limit))
    others = jnp.sum(jnp.logical_not(finite), dtype=jnp.float32)
    return jnp.stack([least, largest, others])


def counts(values: Any) -> Any:
    """Returns the numbers of finite values in the fixed bins, shape (BINS,)."""
    sample = sampled(jnp.ravel(values))
    bits = jax.lax.bitcast_convert_type(sample, jnp.int32)
    exponent = ((bits >> 23) & 255) - 127
    size = jnp.minimum(exponent - LOWEST, EXPONENTS - 1)
    index = jnp.where(bits < 0, EXPONENTS - 1 - size, EXPONENTS + 1 + size)
    index = jnp.where(exponent < LOWEST, EXPONENTS, index)
    index = jnp.where(jnp.isfinite(sample), index, BINS)
    return jnp.zeros(BINS + 1, jnp.float32).at[index].add(1.0)[:BINS]


def placed(values: Any, rows: Sequence[int], width: int) -> Any:
    """Returns a vector or matrix with `values` in some of its `width` rows, `ABSENT` elsewhere."""
    if list(rows) == list(range(width)):
        return values
    return jnp.full((width, *values.shape[1:]), ABSENT).at[jnp.asarray(rows)].set(values)


def _floats(tensor: Any) -> Any:
    return tensor if tensor.dtype == jnp.float32 else tensor.astype(jnp.float32)
