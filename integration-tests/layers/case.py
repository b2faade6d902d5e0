"""One use of a layer of Keras: how it is made, what it is given, and where it cannot be used."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from wk_core.compat.keras.flavour import keras

__all__ = [
    "SAMPLES",
    "Groups",
    "Input",
    "LayerCase",
    "booleans",
    "floats",
    "images",
    "integers",
    "making",
    "missing_class",
    "words",
]

SAMPLES = 4  # one batch
_WORDS = np.array(["good", "bad", "film", "book"])


@dataclass(frozen=True)
class Input:
    """What a layer is given.

    Args:
        shape: The shape of one sample.
        kind: What the numbers are: those of pixels are from 0 to 1.
        limit: The number of classes, for integers.
        batch: The number of samples in a batch, where the layer has to know it.
    """

    shape: tuple[int, ...]
    kind: Literal["floats", "pixels", "integers", "booleans", "words"] = "floats"
    limit: int = 0
    batch: int | None = None

    @property
    def name(self) -> str:
        """A name that no other input has."""
        size = "_".join(map(str, self.shape))
        return f"{self.kind}_{size}" + f"_below_{self.limit}" * bool(self.limit)

    def symbolic(self) -> Any:
        """Returns Keras' input."""
        kinds = {"integers": "int32", "booleans": "bool", "words": "string"}
        dtype = kinds.get(self.kind, "float32")
        return keras.Input(self.shape, batch_size=self.batch, dtype=dtype, name=self.name)

    def data(self, samples: int = SAMPLES) -> Any:
        """Returns the same samples each time."""
        random = np.random.default_rng(0)
        size = (samples, *self.shape)
        match self.kind:
            case "floats":
                return random.normal(size=size).astype("float32")
            case "pixels":
                return random.random(size).astype("float32")
            case "integers":
                return random.integers(0, self.limit, size).astype("int32")
            case "booleans":
                return random.random(size) < 0.7
            case "words":
                # Keras takes strings as tensors only.
                return keras.ops.convert_to_tensor(random.choice(_WORDS, size), dtype="string")


@dataclass(frozen=True)
class LayerCase:
    """One use of a layer.

    Args:
        name: What its tests are called.
        make: Makes the layer.
        inputs: What it is called with.
        call: Calls it; where there are several inputs, with a list of them if nothing else is said.
        prepare: What is done to the layer once it is built, as `layer.enable_lora(2)`.
        make_other: Makes a layer of that kind whose state has to come from a checkpoint, where it
            cannot be seen from outside that it has another one: another vocabulary.
        cannot: Why it cannot be trained, by the name of the backend.
        missing: What an earlier version of Keras lacks for it; empty where nothing is missing.
    """

    name: str
    make: Callable[[], Any]
    inputs: tuple[Input, ...]
    call: Callable[..., Any] | None = None
    prepare: Callable[[Any], None] | None = None
    make_other: Callable[[], Any] | None = None
    cannot: Mapping[str, str] = field(default_factory=dict)
    missing: str = ""

    def __str__(self) -> str:
        return self.name

    def called(self, layer: Any, inputs: list[Any]) -> Any:
        """Returns what the layer puts out."""
        if self.call is not None:
            return self.call(layer, *inputs)
        return layer(inputs[0] if len(inputs) == 1 else inputs)


Groups = Mapping[str, Sequence[LayerCase]]
"""Uses of layers by the name of a group, which share a model."""


def making(module: Any, name: str, *values: Any, **arguments: Any) -> Callable[[], Any]:
    """Returns what makes an object of a class that this version of Keras need not have."""
    return lambda: getattr(module, name)(*values, **arguments)


def missing_class(module: Any, name: str) -> str:
    """Returns what is missing where this version of Keras lacks a class, else nothing."""
    return "" if hasattr(module, name) else f"this version of Keras has no `{name}`"


def floats(*shape: int, batch: int | None = None) -> Input:
    """Returns an input of numbers around 0."""
    return Input(shape, batch=batch)


def images(size: int = 6, channels: int = 3) -> Input:
    """Returns an input of square images with values from 0 to 1."""
    return Input((size, size, channels), "pixels")


def integers(*shape: int, below: int) -> Input:
    """Returns an input of numbers from 0 on."""
    return Input(shape, "integers", below)


def booleans(*shape: int) -> Input:
    """Returns an input of booleans."""
    return Input(shape, "booleans")


def words(*shape: int) -> Input:
    """Returns an input of words."""
    return Input(shape, "words")
