"""Random numbers, and scopes of variables, on Keras 3."""

import contextlib
from collections.abc import Iterator
from typing import Any, Final

import keras

from wk_core.compat.entries import find, say_missing, stands_on

__all__ = [
    "global_seed_generator",
    "stand_in_for_global_seeds",
    "stateless_scope",
    "without_distribution",
]

_GLOBAL_STATE: Final = "keras.src.backend.common.global_state"
_GLOBAL_SEEDS: Final = "global_seed_generator"
_STAND_IN_SEED: Final = 20


def stateless_scope() -> Any:
    """Returns a scope in which variables are made and read, and none of them is written."""
    return keras.StatelessScope()


@contextlib.contextmanager
def without_distribution() -> Iterator[None]:
    """Makes variables in the block belong to this process alone, not to all."""
    distribution = keras.distribution.distribution()
    if distribution is None:
        yield
        return
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(distribution)


@stands_on(
    f"{_GLOBAL_STATE}.get_global_attribute",
    "keras.src.random.seed_generator.global_seed_generator",
    why="the generator behind random numbers without a seed has no public name",
    versions="Keras 3.4 to 3.15",
    without="random numbers without a seed go on differently in a training that is resumed",
)
def global_seed_generator(*, create: bool = False) -> Any:
    """Returns the variable behind random numbers that were given no seed, or None if unused."""
    state, make = find(_GLOBAL_STATE), find("keras.src.random.seed_generator.global_seed_generator")
    if state is None or make is None:
        say_missing(global_seed_generator)
        return None
    if create:
        return make().state
    generator = state.get_global_attribute(_GLOBAL_SEEDS)
    return None if generator is None else generator.state


@contextlib.contextmanager
@stands_on(
    f"{_GLOBAL_STATE}.set_global_attribute",
    why="Keras makes that generator at its first use, by a draw from Python's random numbers",
    versions="Keras 3.4 to 3.15",
    without="looking at a model may make it, as a first step of training would",
)
def stand_in_for_global_seeds() -> Iterator[None]:
    """Gives Keras a generator of global seeds for the block, where it has none yet."""
    state = find(_GLOBAL_STATE)
    if state is None or global_seed_generator() is not None:
        yield
        return
    with without_distribution():  # The other processes make none.
        stand_in = _stand_in()
    state.set_global_attribute(_GLOBAL_SEEDS, stand_in)
    try:
        yield
    finally:
        if state.get_global_attribute(_GLOBAL_SEEDS) is stand_in:
            state.set_global_attribute(_GLOBAL_SEEDS, None)


_stand_ins: Final[list[Any]] = []  # one for the process: compiled functions may hold on to it


def _stand_in() -> Any:
    if not _stand_ins:
        _stand_ins.append(keras.random.SeedGenerator(_STAND_IN_SEED, name="wk_stand_in"))
    return _stand_ins[0]
