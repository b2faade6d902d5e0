"""The generators of random numbers that a training draws from, beside those of its model."""

import random
import sys
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import numpy as np

from wk_core.compat.entries import find, stands_on
from wk_core.compat.keras.flavour import LEGACY, backend

__all__ = ["Generator", "begin_iteration", "random_generators"]

Generator: TypeAlias = tuple[Callable[[], Any], Callable[[Any], Any]]
"""How to read the state of a generator, and how to set it."""

_CONTEXT: Final = "tensorflow.python.eager.context"
_OPERATIONS: Final = "tensorflow.python.ops.stateful_random_ops"


def begin_iteration() -> None:
    """Draws the random number that Keras draws when it begins to iterate over data.

    Keras does so once an epoch is drawn to its end. On PyTorch each iterator takes a seed for its
    workers from the generator that dropout takes its numbers from.
    """
    if backend() == "torch":
        iter(sys.modules["torch"].utils.data.DataLoader([None]))


def random_generators(*, in_python: bool) -> list[Generator]:
    """Returns the generators of this process: Python's, NumPy's, PyTorch's and TensorFlow's.

    Args:
        in_python: Whether those count from which Python code draws.
    """
    generators: list[Generator] = []
    if in_python:
        generators.append((random.getstate, random.setstate))
        generators.append((lambda: np.random.get_state(legacy=False), np.random.set_state))
        if "torch" in sys.modules:  # data may come from its loaders on any backend
            generators += _generators_of_torch(sys.modules["torch"])
    if backend() == "tensorflow":
        generators += _generators_of_tensorflow()
    return generators


def _generators_of_torch(torch: Any) -> list[Generator]:
    generators: list[Generator] = [(torch.random.get_rng_state, torch.random.set_rng_state)]
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        generators.append((torch.cuda.get_rng_state_all, torch.cuda.set_rng_state_all))
    return generators


@stands_on(
    f"{_CONTEXT}.context",
    f"{_OPERATIONS}.global_generator",
    why="TensorFlow reads and sets its random states nowhere publicly without making new ones",
    versions="TensorFlow 2.16 to 2.21",
    without="looking at a model may draw from TensorFlow's random numbers",
    report="not reported: for TensorFlow, a public state of its random numbers",
)
def _generators_of_tensorflow() -> list[Generator]:
    generators: list[Generator] = []
    if LEGACY:
        seeds_of_layers = getattr(find("tf_keras.src.backend._SEED_GENERATOR"), "generator", None)
        if seeds_of_layers is not None:
            generators.append((seeds_of_layers.getstate, seeds_of_layers.setstate))
    context = find(_CONTEXT)
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
