"""Statistics of gradients in TensorFlow's operations, in a graph, under XLA or eagerly."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import tensorflow as tf

from wk_metrics.gradients.training_steps.bins import BINS, EXPONENTS, LOWEST, SAMPLE, sampled
from wk_metrics.gradients.training_steps.records import ABSENT

_LANES: Final = 64


class Values(NamedTuple):
    """The values of a gradient.

    Attributes:
        present: Those that were computed, in 32 bits or more, flat.
        absent: The number of zeros besides, of an embedding's rows that the batch did not use.
    """

    present: Any
    absent: Any


def values_of(gradient: Any, scale: Any, *, is_dense: bool) -> Values:
    """Returns the values of a gradient over their scale; repeated rows of an embedding added up.

    They are all there if it `is_dense`: XLA has no shapes that depend on values.
    """
    if not isinstance(gradient, tf.IndexedSlices):
        return Values(_flat(gradient, scale), 0)
    if is_dense:
        return Values(_flat(tf.convert_to_tensor(gradient), scale), 0)
    rows, place = tf.unique(gradient.indices)
    summed = tf.math.unsorted_segment_sum(gradient.values, place, tf.size(rows))
    present = _flat(summed, scale)
    size = tf.reduce_prod(tf.cast(gradient.dense_shape, tf.int32))
    return Values(present, size - tf.size(present))


def mean(values: Values, total: Any, steps: int) -> Values:
    """Returns the mean of a gradient and of those that were added up, in all of so many steps."""
    return Values((values.present + total) / steps, 0)


def norms(tensors: Sequence[Any], *, with_xla: bool) -> Any:
    """Returns the norms of flat tensors, shape (tensors,)."""
    if with_xla:
        return tf.sqrt(tf.stack([_square_in_lanes(each) for each in tensors]))
    return tf.sqrt(2.0 * tf.stack([tf.cast(tf.nn.l2_loss(each), tf.float32) for each in tensors]))


def extremes(values: Values, norm: Any) -> Any:
    """Returns the least and largest finite value, and the number of others, shape (3,).

    Values of a finite `norm` are finite, which takes a third of the time.
    """
    present, absent = values
    least, largest, others = tf.cond(
        tf.math.is_finite(norm),
        lambda: (tf.reduce_min(present), tf.reduce_max(present), tf.zeros([])),
        lambda: _extremes_of_any(present),
    )
    is_zero_there = tf.greater(absent, 0)  # an absent value is 0
    least = tf.where(is_zero_there, tf.minimum(least, 0.0), least)
    largest = tf.where(is_zero_there, tf.maximum(largest, 0.0), largest)
    return tf.stack([least, largest, others])


def counts(values: Values) -> Any:
    """Returns the numbers of finite values in the fixed bins, shape (BINS,)."""
    present, absent = values
    total = tf.cast(tf.size(present) + absent, tf.float32)
    sample = _sample(present)
    bits = tf.bitcast(sample, tf.int32)
    exponent = tf.bitwise.bitwise_and(tf.bitwise.right_shift(bits, 23), 255) - 127
    size = tf.minimum(exponent - LOWEST, EXPONENTS - 1)
    index = tf.where(bits < 0, EXPONENTS - 1 - size, EXPONENTS + 1 + size)
    index = tf.where(exponent < LOWEST, EXPONENTS, index)
    index = tf.where(tf.math.is_finite(sample), index, BINS)
    # Not `tf.math.bincount`: its size is no constant, which XLA needs.
    found = tf.raw_ops.DenseBincount(
        input=index, size=tf.constant(BINS + 1), weights=tf.zeros([0], tf.float32)
    )[:BINS]
    if isinstance(absent, int):
        return found
    zeros = tf.one_hot(EXPONENTS, BINS)
    share = tf.cast(tf.size(present), tf.float32) / total  # of what a sample of all would count
    sampled = tf.minimum(total, float(SAMPLE))
    scale = sampled * share / tf.maximum(tf.cast(tf.size(sample), tf.float32), 1.0)
    return found * scale + zeros * sampled * (1.0 - share)


def placed(values: Any, rows: Sequence[int], width: int) -> Any:
    """Returns a vector or matrix with `values` in some of its `width` rows, `ABSENT` elsewhere."""
    if list(rows) == list(range(width)):
        return values
    numbers = {row: number for number, row in enumerate(rows)}
    other = tf.fill([1, *values.shape[1:]], ABSENT)
    index = [numbers.get(row, len(rows)) for row in range(width)]
    return tf.gather(tf.concat([values, other], 0), index)


def _square_in_lanes(values: Any) -> Any:
    """Returns the sum of squares; XLA waits for each addition before it begins the next one.

    So there are several sums beside one another. Without the root, XLA would make one of them.
    """
    whole = values.shape[0] // _LANES * _LANES
    sums = tf.reduce_sum(tf.square(tf.reshape(values[:whole], [-1, _LANES])), 0)
    return tf.reduce_sum(tf.square(tf.concat([tf.sqrt(sums), values[whole:]], 0)))


def _extremes_of_any(values: Any) -> tuple[Any, Any, Any]:
    finite = tf.math.is_finite(values)
    least = tf.reduce_min(tf.where(finite, values, values.dtype.max))
    largest = tf.reduce_max(tf.where(finite, values, values.dtype.min))
    return least, largest, tf.reduce_sum(tf.cast(tf.logical_not(finite), tf.float32))


def _flat(tensor: Any, scale: Any) -> Any:
    flat = tf.reshape(tensor, [-1])
    flat = flat if flat.dtype == tf.float32 else tf.cast(flat, tf.float32)
    return flat if scale is None else flat / scale


def _sample(values: Any) -> Any:
    """Returns `sampled`, also of a tensor whose size only the step knows."""
    if values.shape[0] is not None:
        return sampled(values)
    distance = tf.bitwise.bitwise_or(tf.maximum(-(-tf.size(values) // SAMPLE), 1), 1)
    return values[::distance]
