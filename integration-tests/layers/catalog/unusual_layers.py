"""Uses of the layers whose state is more, or other, than weights that Keras' writer passes on."""

import functools
import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np

from layers.case import SAMPLES, Groups, LayerCase, floats, integers, missing_class, words
from wk_core.compat.keras.flavour import keras
from wk_testing.versions import quantizes_to

__all__ = ["UNUSUAL", "Beside", "Counting"]

L = keras.layers

VECTOR, SEQUENCE, IMAGE, CUBE = floats(4), floats(5, 4), floats(6, 6, 2), floats(4, 4, 4, 2)
IDS = integers(4, below=6)
NO_STRINGS = {name: f"{name} has no strings" for name in ("jax", "torch")}
EAGER = {"tensorflow": "Keras 3.15 cannot differentiate it with run_eagerly=True"}
NO_TORCH = {"torch": "Keras has it for TensorFlow and JAX only"}

NO_FLAX = (
    dict.fromkeys(("tensorflow", "jax", "torch"), "flax is not installed")
    if importlib.util.find_spec("flax") is None
    else {}
)


@keras.saving.register_keras_serializable("layers")
class Beside(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Holds a layer that prepares data before the model sees them.

    Args:
        layer: The layer.
    """

    def __init__(self, layer: Any, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.layer = layer

    def build(self, shape: Any) -> None:
        """Leaves the layer alone, whose data have other shapes."""

    def call(self, inputs: Any) -> Any:
        """Returns what it is given."""
        return inputs

    def get_config(self) -> dict[str, Any]:
        """Returns how it can be made again."""
        layer = keras.saving.serialize_keras_object(self.layer)
        return {**super().get_config(), "layer": layer}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Beside":
        """Makes it again."""
        return cls(keras.saving.deserialize_keras_object(config.pop("layer")), **config)


@keras.saving.register_keras_serializable("layers")
class Counting(keras.layers.Layer):  # type: ignore[misc]
    """Counts its calls, and puts out more with each: no call of it is without a trace."""

    def build(self, shape: Any) -> None:
        """Makes the count."""
        del shape
        self.calls = self.add_weight(shape=(), dtype="float32", trainable=False, name="calls")

    def call(self, inputs: Any) -> Any:
        """Counts."""
        self.calls.assign(self.calls + 1.0)
        return inputs * (1.0 + self.calls / 16.0)


def _missing_mode(mode: str) -> str:
    """Returns what is missing where this version of Keras cannot quantize in a mode."""
    return "" if quantizes_to(mode) else f"this version of Keras does not quantize to {mode}"


def _quantized(mode: str) -> Callable[[Any], None]:
    return lambda layer: layer.quantize(mode)


def _adapting(rank: int = 2) -> Callable[[Any], None]:
    """Returns what gives a layer its adapters."""

    def enable(layer: Any) -> None:
        layer.enable_lora(rank)

    return enable


def _quantized_and_adapting(mode: str) -> Callable[[Any], None]:
    def enable(layer: Any) -> None:
        layer.quantize(mode)
        layer.enable_lora(2)

    return enable


def _variants(name: str, make: Callable[[], Any], what: Any, call: Any = None) -> list[LayerCase]:
    """Returns a layer's uses quantized, and quantized with adapters."""
    return [
        LayerCase(
            f"{name} with {mode}{adapters}",
            make,
            (what,),
            call,
            prepare(mode),
            missing=missing_class(L, name) or _missing_mode(mode),
        )
        for adapters, prepare in (("", _quantized), (" and LoRA", _quantized_and_adapting))
        for mode in ("int8", "int4")
    ]


def _both_ways(layer: Any, ids: Any) -> Any:
    return layer(layer(ids), reverse=True)


def _dense() -> Any:
    return L.Dense(4)


def _einsum() -> Any:
    return L.EinsumDense("abc,cd->abd", (5, 4))


def _embedding() -> Any:
    return L.Embedding(6, 4)


def _reversible() -> Any:
    return L.ReversibleEmbedding(6, 4, tie_weights=False)


_ADAPTERS = [
    LayerCase("Dense with LoRA", _dense, (VECTOR,), None, _adapting()),
    LayerCase("EinsumDense with LoRA", _einsum, (SEQUENCE,), None, _adapting()),
    LayerCase("Embedding with LoRA", _embedding, (IDS,), None, _adapting()),
    LayerCase(
        "ReversibleEmbedding with LoRA",
        _reversible,
        (IDS,),
        _both_ways,
        _adapting(),
        missing=missing_class(L, "ReversibleEmbedding"),
    ),
    LayerCase("Conv1D with LoRA", lambda: L.Conv1D(3, 2), (SEQUENCE,), None, _adapting()),
    LayerCase("Conv2D with LoRA", lambda: L.Conv2D(3, 2), (IMAGE,), None, _adapting()),
    LayerCase("Conv3D with LoRA", lambda: L.Conv3D(3, 2), (CUBE,), None, _adapting()),
]
_QUANTIZED = [
    *_variants("Dense", _dense, VECTOR),
    *_variants("EinsumDense", _einsum, SEQUENCE),
    *_variants("Embedding", _embedding, IDS),
    *_variants("ReversibleEmbedding", _reversible, IDS, _both_ways),
    LayerCase("Dense with float8", _dense, (VECTOR,), None, _quantized("float8"), cannot=EAGER),
    LayerCase(
        "EinsumDense with float8", _einsum, (SEQUENCE,), None, _quantized("float8"), cannot=EAGER
    ),
]


def _adapted(layer: Any, data: Any) -> Any:
    layer.adapt(data)
    return layer


def _strings(*lines: str) -> Any:
    return np.array(lines, dtype=object)


def _feature_space(offset: float) -> Any:
    from keras.utils import FeatureSpace

    space = FeatureSpace({"size": FeatureSpace.float_normalized(), "kind": "string_categorical"})
    import tensorflow as tf

    names = ["good", "bad", "film", "book"] if offset else ["film", "book", "good", "bad"]
    rows = {"size": np.arange(4, dtype="float32")[:, None] + offset, "kind": _strings(*names)}
    space.adapt(tf.data.Dataset.from_tensor_slices(rows))
    return space


def _vectorization(*texts: str) -> Any:
    return _adapted(L.TextVectorization(8, output_sequence_length=3), _strings(*texts))


def _looked_up(*names: str) -> Any:
    return _adapted(L.StringLookup(output_mode="one_hot"), _strings(*names))


_VOCABULARIES = [
    LayerCase(
        "TextVectorization",
        lambda: _vectorization("good film", "bad film", "good book"),
        (words(1),),
        call=lambda layer, text: L.Embedding(9, 2)(layer(text)),
        make_other=lambda: _vectorization("bad book", "bad bad film", "book good"),
        cannot=NO_STRINGS,
    ),
    LayerCase(
        "TextVectorization, tf-idf",
        lambda: _adapted(
            L.TextVectorization(8, output_mode="tf_idf"), _strings("good film", "bad film", "film")
        ),
        (words(1),),
        make_other=lambda: _adapted(
            L.TextVectorization(8, output_mode="tf_idf"), _strings("bad", "bad film good", "bad")
        ),
        cannot=NO_STRINGS,
    ),
    LayerCase(
        "StringLookup",
        lambda: _looked_up("good", "bad", "film"),
        (words(1),),
        make_other=lambda: _looked_up("film", "book", "good"),
        cannot=NO_STRINGS,
    ),
    LayerCase(
        "IntegerLookup",
        lambda: _adapted(L.IntegerLookup(output_mode="multi_hot"), np.array([1, 2, 3])),
        (IDS,),
        make_other=lambda: _adapted(L.IntegerLookup(output_mode="multi_hot"), np.array([5, 4, 1])),
        cannot={"jax": "it looks numbers up by TensorFlow, which a step of JAX cannot"},
    ),
    LayerCase(
        "StringLookup beside the model",
        lambda: Beside(_looked_up("good", "bad")),
        (VECTOR,),
        make_other=lambda: Beside(_looked_up("book", "good")),
    ),
    LayerCase(
        "TextVectorization beside the model",
        lambda: Beside(_vectorization("good film", "bad film")),
        (VECTOR,),
        make_other=lambda: Beside(_vectorization("bad book", "good")),
    ),
    LayerCase(
        "FeatureSpace beside the model",
        lambda: Beside(_feature_space(0.0)),
        (VECTOR,),
        make_other=lambda: Beside(_feature_space(3.0)),
    ),
    LayerCase(
        "Normalization",
        lambda: _adapted(L.Normalization(), np.arange(16.0).reshape(4, 4)),
        (VECTOR,),
        make_other=lambda: _adapted(L.Normalization(), np.ones((4, 4))),
    ),
    LayerCase(
        "Discretization",
        lambda: _adapted(L.Discretization(num_bins=3), np.arange(16.0)),
        (VECTOR,),
        make_other=lambda: _adapted(L.Discretization(num_bins=3), np.arange(16.0) - 8),
    ),
]


def _double_and_shift(params: Any, state: Any, rng: Any, inputs: Any, training: bool) -> Any:
    import jax

    kept = jax.random.bernoulli(rng, 0.6, inputs.shape) if training else 0.6
    return inputs * kept @ params["kernel"] + state["calls"], {"calls": state["calls"] + 1.0}


def _jax_layer(seed: float) -> Any:
    kernel = np.full((4, 2), seed, "float32")
    state = {"calls": np.zeros((), "float32")}
    return L.JaxLayer(_double_and_shift, params={"kernel": kernel}, state=state)


def _flax_layer() -> Any:
    from flax import linen

    class Net(linen.Module):  # type: ignore[misc]
        @linen.compact  # type: ignore[untyped-decorator]
        def __call__(self, inputs: Any, training: bool) -> Any:
            hidden = linen.BatchNorm(use_running_average=not training)(linen.Dense(3)(inputs))
            return linen.Dropout(0.3, deterministic=not training)(hidden)

    return L.FlaxLayer(Net())


@functools.cache
def _saved_model() -> str:
    """Writes a SavedModel of a small model; returns where it is."""
    import tempfile

    path = tempfile.mkdtemp()
    # Draws no random numbers: it is only made the first time.
    model = keras.Sequential([keras.Input((4,)), L.Dense(2, kernel_initializer="ones")])
    model.export(path, verbose=False)
    return path


def _torch_module(*modules: Any, shape: tuple[int | None, ...] = (None, 6)) -> Any:
    import torch

    return L.TorchModuleWrapper(torch.nn.Sequential(*modules), output_shape=shape)


def _with_statistics() -> Any:
    import torch

    return _torch_module(torch.nn.Linear(4, 6), torch.nn.BatchNorm1d(6), torch.nn.Dropout(0.3))


def _with_spectral_norm() -> Any:
    import torch

    return _torch_module(torch.nn.utils.spectral_norm(torch.nn.Linear(4, 6)))


_TORCH_ONLY = dict.fromkeys(("tensorflow", "jax"), "it wraps a PyTorch module")
_FOREIGN = [
    LayerCase("JaxLayer", lambda: _jax_layer(0.5), (VECTOR,), cannot=NO_TORCH),
    LayerCase("FlaxLayer", _flax_layer, (VECTOR,), cannot=NO_FLAX or NO_TORCH),
    LayerCase(
        "TFSMLayer",
        lambda: L.TFSMLayer(_saved_model(), call_endpoint="serve", trainable=False),
        (VECTOR,),
        cannot=dict.fromkeys(("jax", "torch"), "Keras has it for TensorFlow only"),
    ),
    LayerCase("TorchModuleWrapper", _with_statistics, (VECTOR,), cannot=_TORCH_ONLY),
    LayerCase(
        "TorchModuleWrapper with spectral norm", _with_spectral_norm, (VECTOR,), cannot=_TORCH_ONLY
    ),
]
_COUNTING = [LayerCase("a layer that counts its calls", Counting, (VECTOR,))]
_KEEPING = [
    LayerCase(
        "LSTM that keeps its states",
        lambda: L.LSTM(3, stateful=True),
        (floats(5, 3, batch=SAMPLES),),
        cannot={"torch": "Keras 3.15 cannot differentiate it: it assigns to its states in place"},
    ),
]

UNUSUAL: Groups = {
    "adapters": _ADAPTERS,
    "quantized": _QUANTIZED,
    "vocabularies": _VOCABULARIES,
    "of other libraries": _FOREIGN,
    "counting": _COUNTING,
    "batches of one size": _KEEPING,
}
