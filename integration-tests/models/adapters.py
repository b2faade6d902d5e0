"""Models of which few numbers are trained beside those that are: LoRA, and quantized weights."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from models.example import EXAMPLES, SAMPLES, Example
from wk_core.compat.keras.flavour import keras
from wk_testing.versions import quantizes_to

layers = keras.layers

_GENERATOR = np.random.default_rng(2)
_VECTORS = _GENERATOR.random((SAMPLES, 8)).astype("float32")
_WORDS = _GENERATOR.integers(0, 12, (SAMPLES, 5))
_SERIES = _GENERATOR.random((SAMPLES, 7, 4)).astype("float32")
_IMAGES = _GENERATOR.random((SAMPLES, 6, 6, 2)).astype("float32")
_TARGETS = _GENERATOR.random((SAMPLES, 1)).astype("float32")


def _dense() -> Any:
    return layers.Dense(8)


def _einsum() -> Any:
    return layers.EinsumDense("ab,bc->ac", output_shape=6, bias_axes="c")


_KINDS: Final[dict[str, tuple[Callable[[], Any], Any]]] = {
    "dense": (_dense, _VECTORS),
    "einsum": (_einsum, _VECTORS),
    "embedding": (lambda: layers.Embedding(12, 8), _WORDS),
    "conv1d": (lambda: layers.Conv1D(4, 3), _SERIES),
    "conv2d": (lambda: layers.Conv2D(4, 3), _IMAGES),
}
_QUANTIZED: Final = ("dense", "einsum", "embedding")


def _model(kind: str, mode: str | None, *, lora: bool) -> Any:
    make, data = _KINDS[kind]
    layer = make()
    # A layer that is not quantized keeps something to train.
    model = keras.Sequential(
        [
            keras.Input(data.shape[1:], dtype=data.dtype),
            layer,
            layers.LayerNormalization(),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )
    if mode is not None:
        layer.quantize(mode)
    if lora:
        layer.enable_lora(2)
    model.compile(keras.optimizers.Adam(0.02), "mse", metrics=["mae"])
    return model


def _add(kind: str, mode: str | None, *, lora: bool) -> None:
    name = "_".join([*(["lora"] if lora else []), kind, *([mode] if mode else [])])
    data = _KINDS[kind][1]
    EXAMPLES[name] = Example(name, lambda: _model(kind, mode, lora=lora), lambda: (data, _TARGETS))


for _kind in _KINDS:
    _add(_kind, None, lora=True)
for _mode in filter(quantizes_to, ("int8", "int4")):
    _add("dense", _mode, lora=False)
    for _kind in _QUANTIZED:
        _add(_kind, _mode, lora=True)
_add("dense", "float8", lora=False)
