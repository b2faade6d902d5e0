"""TensorFlow's random states, and the data sets behind a data set."""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from wk_core.compat.entries import find, say_missing, stands_on

__all__ = ["Generator", "random_generators", "sources_of"]

Generator: TypeAlias = tuple[Callable[[], Any], Callable[[Any], Any]]
"""How to read the state of a generator, and how to set it."""

_CONTEXT: Final = "tensorflow.python.eager.context"
_OPERATIONS: Final = "tensorflow.python.ops.stateful_random_ops"


@stands_on(
    f"{_CONTEXT}.context",
    f"{_OPERATIONS}.global_generator",
    why="TensorFlow has no public way to read and set its random states without making new states",
    versions="TensorFlow 2.16 to 2.21",
    without="looking at a model may draw from TensorFlow's random numbers",
    report="not reported: for TensorFlow, a public state of its random numbers",
)
def random_generators() -> list[Generator]:
    """Returns TensorFlow's generators of random numbers that are in use."""
    generators: list[Generator] = []
    context = find(_CONTEXT)
    if context is None:
        say_missing(random_generators)
    seeds = getattr(context.context(), "_rng", None) if context is not None else None
    if seeds is not None:

        def put_back_seeds(state: Any) -> None:
            seeds.setstate(state)
            # An operation that is seeded alike would go on with the numbers of the one before it.
            context.context().clear_kernel_cache()

        generators.append((seeds.getstate, put_back_seeds))
    own = find(f"{_OPERATIONS}.global_generator")
    if own is not None:
        generators.append((lambda: own.state.read_value().numpy(), own.state.assign))
    return generators


@stands_on(
    "dataset._inputs",
    why="a `tf.data.Dataset` of unknown length, as after a filter, does not say what it reads",
    versions="TensorFlow 2.16 to 2.21",
    without="an endless data set with a filter is not known to be endless, and is drawn for ever",
    report="not reported: for TensorFlow, a public cardinality of filtered endless data",
)
def sources_of(dataset: Any) -> list[Any]:
    """Returns the data sets that a `tf.data.Dataset` reads."""
    if not hasattr(dataset, "_inputs"):
        say_missing(sources_of)
        return []
    return list(dataset._inputs())
