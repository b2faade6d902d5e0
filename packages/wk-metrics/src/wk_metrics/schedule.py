"""Learning rate schedules, evaluated on the host beside a training.

The one module of this package that imports a backend, on use, to compile a schedule: eagerly it
takes milliseconds, and compiled for many batches at once next to nothing.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Final

from wk_core.keras import LEGACY, backend, keras

# How many values of a schedule are computed at once.
_BLOCK: Final = 256


def evaluate_on_host(schedule: Callable[[Any], Any], count: int) -> float:
    """Returns a schedule's value after `count` batches."""
    with _on_host():
        return float(schedule(count))


class BlockwiseSchedule:
    """A schedule, compiled and evaluated for a block of batches at once.

    Args:
        schedule: A `LearningRateSchedule`. TensorFlow or JAX must be the backend.
    """

    def __init__(self, schedule: Callable[[Any], Any]) -> None:
        self._evaluate_block = _compile(schedule)
        self._block: int | None = None
        self._values: list[float] = []

    def __call__(self, count: int) -> float:
        """Returns the schedule's value after `count` batches."""
        block, offset = divmod(count, _BLOCK)
        if block != self._block:
            with _on_host():
                self._values = self._evaluate_block(block * _BLOCK)
            self._block = block
        return self._values[offset]


def _compile(schedule: Callable[[Any], Any]) -> Callable[[int], list[float]]:
    """Returns a compiled function from a count to the schedule's next `_BLOCK` values."""
    if backend() == "tensorflow":
        import tensorflow as tf

        def value(count: Any) -> Any:
            return tf.cast(schedule(count), tf.float64)

        @tf.function(input_signature=[tf.TensorSpec((), tf.int64)])  # type: ignore[untyped-decorator]  # TensorFlow ships no types
        def block(start: Any) -> Any:
            counts = tf.range(start, start + _BLOCK)
            return tf.map_fn(value, counts, fn_output_signature=tf.float64)

    else:
        import jax

        @jax.jit
        def block(start: Any) -> Any:
            return jax.lax.map(schedule, start + jax.numpy.arange(_BLOCK))

    return lambda start: [float(rate) for rate in block(start)]


@contextlib.contextmanager
def _on_host() -> Iterator[None]:
    """Places what Keras computes on the CPU: no wait for an accelerator that is training."""
    if LEGACY:
        yield
    else:
        with keras.device("cpu:0"):
            yield
