"""What a checkpoint of a counting model holds, read as its user would."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kills.writer import BRANCHES, SIZE, counting_model

__all__ = ["MixtureError", "number_in"]

_ARCHIVE = Path("assets.extra", "model.keras")


class MixtureError(Exception):
    """A checkpoint can be loaded, but is not of one moment.

    Args:
        numbers: The numbers of the steps in it.
    """

    def __init__(self, numbers: Iterable[float]) -> None:
        super().__init__(f"a mixture of the steps {sorted(numbers)}")


def number_in(path: Path) -> int:
    """Returns the number of the step after which a checkpoint was taken.

    Everything in it is looked at. In a directory that is the SavedModel, which is loaded and
    called, and the archive in it.

    Raises:
        MixtureError: If it holds several numbers.
        Exception: Why it cannot be loaded.
    """
    if path.is_dir():
        numbers = _numbers_served(path) | _numbers_in_model(
            keras.saving.load_model(path / _ARCHIVE)
        )
    elif path.name.endswith(".weights.h5"):
        model = counting_model()
        model.load_weights(path)
        numbers = _numbers_in_model(model)
    else:
        numbers = _numbers_in_model(keras.saving.load_model(path))
    if len(numbers) != 1:
        raise MixtureError(numbers)
    return int(numbers.pop())


def _numbers_in_model(model: Any) -> set[float]:
    optimizer = model.optimizer
    slots = [variable for variable in optimizer.variables if variable.shape == (SIZE, 1)]
    assert len(slots) == len(model.weights) == BRANCHES
    return _numbers([*model.weights, *slots, optimizer.iterations])


def _numbers_served(directory: Path) -> set[float]:
    import tensorflow as tf

    served = tf.saved_model.load(str(directory))
    first_of_each = np.zeros((1, SIZE), "float32")
    first_of_each[0, 0] = 1 / BRANCHES
    answer = float(served.serve(first_of_each)[0, 0])
    return {answer} | _numbers(served.variables)


def _numbers(variables: Iterable[Any]) -> set[float]:
    return {
        float(number)
        for variable in variables
        for number in np.unique(keras.ops.convert_to_numpy(variable))
    }
