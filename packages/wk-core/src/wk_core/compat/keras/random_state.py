"""The generators of random numbers that a training draws from, beside those of its model."""

import random
import sys
from typing import Any

import numpy as np

from wk_core.compat import tensorflow
from wk_core.compat.entries import find
from wk_core.compat.keras.flavour import LEGACY, backend
from wk_core.compat.tensorflow import Generator

__all__ = ["begin_iteration", "random_generators"]


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
    if LEGACY:
        generators += _generators_of_keras_2()
    if backend() == "tensorflow":
        generators += tensorflow.random_generators()
    return generators


def _generators_of_torch(torch: Any) -> list[Generator]:
    generators: list[Generator] = [(torch.random.get_rng_state, torch.random.set_rng_state)]
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        generators.append((torch.cuda.get_rng_state_all, torch.cuda.set_rng_state_all))
    return generators


def _generators_of_keras_2() -> list[Generator]:
    generator = getattr(find("tf_keras.src.backend._SEED_GENERATOR"), "generator", None)
    return [] if generator is None else [(generator.getstate, generator.setstate)]
