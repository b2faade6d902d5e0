"""A training that diverges, or that only looks like it, and the lists of both."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from wk_core.compat.keras.flavour import backend, keras

__all__ = [
    "BATCH",
    "BROKEN",
    "FAULTS",
    "HEALTHY",
    "STEPS",
    "Fault",
    "Training",
    "classes",
    "compiled",
    "dense",
    "fault",
    "features",
    "healthy",
    "targets",
]

BATCH: Final = 8
STEPS: Final = 50
BROKEN: Final = 25
"""The batch in which something goes wrong."""

_BACKENDS: Final = ("tensorflow", "jax", "torch")


@dataclass(frozen=True)
class Training:
    """A compiled model and what it is trained with.

    Attributes:
        model: The model.
        x: The inputs.
        y: The targets.
        fit: Further arguments of `fit`.
        callbacks: Callbacks that are part of the training.
    """

    model: Any
    x: Any
    y: Any
    fit: Mapping[str, Any] = field(default_factory=dict)
    callbacks: tuple[Any, ...] = ()

    def train(self, *callbacks: Any) -> None:
        """Trains the model."""
        self.model.fit(
            self.x,
            self.y,
            callbacks=[*self.callbacks, *callbacks],
            **{"batch_size": BATCH, "shuffle": False, "verbose": 0, **self.fit},
        )


Make = Callable[[], Training]


@dataclass(frozen=True)
class Fault:
    """A training that diverges, and what is to be found.

    Attributes:
        make: Returns the training.
        kind: What is wrong.
        origin: Where it comes from.
        layer: The name of the layer; None where all are at fault.
        steps: The batches of which one has to be named.
        backends: Where it goes wrong.
    """

    make: Make
    kind: str
    origin: str
    layer: str | None
    steps: range
    backends: tuple[str, ...]


FAULTS: Final[dict[str, Fault]] = {}
HEALTHY: Final[dict[str, Make]] = {}


def fault(
    kind: str,
    origin: str,
    *,
    layer: str | None = "head",
    steps: range = range(BROKEN, BROKEN + 1),
    backends: tuple[str, ...] = _BACKENDS,
) -> Callable[[Make], Make]:
    """Adds the decorated function to the trainings that diverge."""

    def add(make: Make) -> Make:
        FAULTS[make.__name__] = Fault(make, kind, origin, layer, steps, backends)
        return make

    return add


def healthy(make: Make) -> Make:
    """Adds a function to the trainings that are sane."""
    HEALTHY[make.__name__] = make
    return make


def features(size: int = 4) -> Any:
    """Returns inputs around 0."""
    return np.random.default_rng(1).normal(size=(BATCH * STEPS, size)).astype("float32")


def targets(x: Any) -> Any:
    """Returns what a linear model would learn, with noise."""
    noise = np.random.default_rng(2).normal(size=(len(x), 1))
    return (x.sum(axis=1, keepdims=True) + 0.1 * noise).astype("float32")


def classes(x: Any) -> Any:
    """Returns one of three classes for each input."""
    return np.digitize(x[:, 0], [-0.5, 0.5]).astype("int32")


def dense(*middle: Any, outputs: int = 1, inputs: int = 4, activation: str | None = None) -> Any:
    """Returns a model from `encoder` to `head`, with other layers between them."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((inputs,)),
            layers.Dense(8, activation="tanh", name="encoder"),
            *middle,
            layers.Dense(outputs, activation=activation, name="head"),
        ]
    )


def compiled(model: Any, optimizer: Any = None, loss: Any = "mse", **arguments: Any) -> Any:
    """Compiles a model; on TensorFlow without XLA, which takes seconds."""
    if backend() == "tensorflow":
        arguments = {"jit_compile": False, **arguments}
    model.compile(
        keras.optimizers.Adam(0.01) if optimizer is None else optimizer, loss, **arguments
    )
    return model
