"""Learning rate schedules, evaluated on the host during a training.

Evaluating a schedule eagerly takes milliseconds. Compiled for many batches at once, it takes
almost no time, so this module imports the backend on use to compile it.
"""

from collections.abc import Callable
from typing import Any, Final

from wk_core.compat.keras.flavour import backend, on_host, to_tensor
from wk_core.logs import as_number

# The number of values that are computed at once.
_BLOCK: Final = 256


def evaluate_on_host(schedule: Callable[[Any], Any], count: int, dtype: str) -> float:
    """Returns a schedule's value after `count` batches, evaluated eagerly.

    Args:
        schedule: A function of the count.
        count: The count.
        dtype: The dtype of the tensor that the schedule receives, such as `"int64"`.
    """
    with on_host():
        return _number(schedule(to_tensor(count, dtype)))


class BlockwiseSchedule:
    """A schedule, compiled and evaluated for a block of batches at once.

    Args:
        schedule: A function of the count alone. TensorFlow or JAX must be the backend.
        dtype: The dtype of the tensor that it receives.
    """

    def __init__(self, schedule: Callable[[Any], Any], dtype: str) -> None:
        self._evaluate_block = _compile(schedule, dtype)
        self._block: int | None = None
        self._values: list[float] = []

    def __call__(self, count: int) -> float:
        """Returns the schedule's value after `count` batches."""
        block, offset = divmod(count, _BLOCK)
        if block != self._block:
            with on_host():
                self._values = self._evaluate_block(block * _BLOCK)
            self._block = block
        return self._values[offset]


class FrozenSchedule:
    """A schedule as in a compiled training step, when both are traced at the same time.

    On TensorFlow, such a step reads variables again each time. Everything else that the schedule
    looked up while it was traced, such as its own attributes, keeps the value of that time.

    Args:
        schedule: A function of the count. TensorFlow or JAX must be the backend.
        dtype: The dtype of the tensor that it receives.
        count: A count at which it is evaluated once now.

    Attributes:
        of_count_alone: Whether its value depends on nothing but the count from now on.
    """

    def __init__(self, schedule: Callable[[Any], Any], dtype: str, count: int) -> None:
        self.of_count_alone = True
        self._value: Callable[[int], float]
        if backend() == "tensorflow":
            graph = _trace(schedule, dtype)
            self.of_count_alone = _is_pure(graph)
            schedule = graph
        if self.of_count_alone:
            self._value = BlockwiseSchedule(schedule, dtype)
            self._value(count)
        else:
            self._value = lambda count: evaluate_on_host(schedule, count, dtype)

    def __call__(self, count: int) -> float:
        """Returns the schedule's value after `count` batches."""
        return self._value(count)


def is_symbolic(value: Any) -> bool:
    """Returns whether a value is symbolic, in a step that is being compiled."""
    match backend():
        case "tensorflow":
            import tensorflow as tf

            return isinstance(value, tf.Tensor) and not hasattr(value, "numpy")
        case "jax":
            import jax

            return isinstance(value, jax.core.Tracer)
        case _:
            return False


def _compile(schedule: Callable[[Any], Any], dtype: str) -> Callable[[int], list[float]]:
    """Returns a compiled function from a count to the schedule's next `_BLOCK` values."""
    if backend() == "tensorflow":
        import tensorflow as tf

        def value(count: Any) -> Any:
            return tf.cast(schedule(tf.cast(count, dtype)), tf.float64)

        @tf.function(input_signature=[tf.TensorSpec((), tf.int64)])  # type: ignore[untyped-decorator]  # TensorFlow ships no types
        def block(start: Any) -> Any:
            counts = tf.range(start, start + _BLOCK)
            return tf.map_fn(value, counts, fn_output_signature=tf.float64)

    else:
        import jax

        @jax.jit
        def block(start: Any) -> Any:
            counts = (start + jax.numpy.arange(_BLOCK)).astype(dtype)
            return jax.lax.map(lambda count: jax.numpy.asarray(schedule(count)), counts)

    return lambda start: [float(rate) for rate in block(start)]


def _trace(schedule: Callable[[Any], Any], dtype: str) -> Any:
    """Returns the TensorFlow graph of a schedule, which is called like the schedule."""
    import tensorflow as tf

    def value(count: Any) -> Any:
        return tf.cast(tf.convert_to_tensor(schedule(count)), tf.float64)

    return tf.function(value).get_concrete_function(tf.TensorSpec((), dtype))


def _is_pure(graph: Any) -> bool:
    operations = graph.graph.get_operations()
    return not graph.captured_inputs and not any(
        operation.op_def is not None and operation.op_def.is_stateful for operation in operations
    )


def _number(value: Any) -> float:
    number = as_number(value)
    if number is None:
        raise TypeError(f"it is not a number, but {value!r}")
    return float(number)
