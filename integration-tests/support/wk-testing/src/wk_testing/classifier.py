"""A small classifier of small images."""

from typing import Any

import numpy as np
import numpy.typing as npt

from wk_core.compat.keras.flavour import keras

CLASSES = 3


def images(count: int = 6) -> npt.NDArray[np.uint8]:
    """Returns images, shape (count, 5, 4, 1), each with pixels of its own."""
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (count, 5, 4, 1), dtype="uint8")


def classes(count: int = 6) -> npt.NDArray[np.int64]:
    """Returns classes, shape (count,), of which each comes in turn."""
    return np.arange(count) % CLASSES


def classifier(outputs: int = CLASSES, activation: str | None = "softmax") -> Any:
    """Returns a compiled model of such images."""
    model = keras.Sequential(
        [
            keras.Input((5, 4, 1)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(outputs, activation, kernel_initializer=_weights(outputs)),
        ]
    )
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def _weights(outputs: int) -> Any:
    """Returns an initializer whose weights are the same on every backend."""
    values = np.random.default_rng(1).normal(size=(20, outputs)).astype("float32")
    return keras.initializers.Constant(values) if outputs > 1 else "glorot_uniform"
