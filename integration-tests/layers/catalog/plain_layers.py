"""Uses of the layers whose state is weights that Keras passes on, and of those without state."""

import inspect
from typing import Any

from layers.case import (
    Groups,
    Input,
    LayerCase,
    booleans,
    floats,
    images,
    integers,
    making,
    missing_class,
)
from wk_core.compat.keras.flavour import keras

__all__ = ["STATELESS", "WITH_WEIGHTS"]

L = keras.layers

VECTOR, SEQUENCE, IMAGE, CUBE = floats(4), floats(5, 3), floats(6, 6, 2), floats(4, 4, 4, 2)
VIDEO_1D, VIDEO_2D, VIDEO_3D = floats(3, 4, 2), floats(2, 4, 4, 2), floats(2, 3, 3, 3, 1)
BY_RANK = {1: SEQUENCE, 2: IMAGE, 3: CUBE}


def _ranked(template: str, *ranks: int, **arguments: Any) -> list[LayerCase]:
    """Returns one use of each of `Conv1D`, `Conv2D` and so on; `2` as an argument suits all."""
    return [
        _plain(name, BY_RANK[rank], **arguments)
        for rank in ranks or (1, 2, 3)
        for name in [template.format(rank)]
    ]


def _merging(name: str, **arguments: Any) -> LayerCase:
    other = Input((4,), "pixels")
    return LayerCase(name, making(L, name, **arguments), (VECTOR, other))


def _plain(name: str, what: Input = VECTOR, **arguments: Any) -> LayerCase:
    return LayerCase(name, making(L, name, **arguments), (what,), missing=missing_class(L, name))


_NO_RENORM = (
    ""
    if "renorm" in inspect.signature(L.BatchNormalization.__init__).parameters
    else "`BatchNormalization` of this version of Keras takes no `renorm`"
)


def _query_and_value(layer: Any, query: Any) -> Any:
    return layer(query, query)


def _with_mask(layer: Any, scores: Any, mask: Any) -> Any:
    return layer(scores, mask=mask)


_LINEAR = [
    _plain("Dense", units=3),
    LayerCase("EinsumDense", lambda: L.EinsumDense("abc,cd->abd", (5, 4)), (SEQUENCE,)),
    LayerCase("Embedding", lambda: L.Embedding(6, 3), (integers(4, below=6),)),
    _plain("ReversibleEmbedding", integers(4, below=6), input_dim=6, output_dim=3),
    LayerCase(
        "ReversibleEmbedding, both ways",
        lambda: L.ReversibleEmbedding(6, 3, tie_weights=False),
        (integers(4, below=6),),
        call=lambda layer, ids: layer(layer(ids), reverse=True),
        missing=missing_class(L, "ReversibleEmbedding"),
    ),
]
_CONVOLUTIONS = [
    *_ranked("Conv{}D", filters=2, kernel_size=2),
    *_ranked("Conv{}DTranspose", filters=2, kernel_size=2),
    *_ranked("DepthwiseConv{}D", 1, 2, kernel_size=2),
    *_ranked("SeparableConv{}D", 1, 2, filters=2, kernel_size=2),
]
_NORMALISATIONS = [
    _plain("BatchNormalization"),
    LayerCase(
        "BatchNormalization with renorm",
        lambda: L.BatchNormalization(renorm=True),
        (VECTOR,),
        missing=_NO_RENORM,
    ),
    LayerCase("BatchNormalization of images", lambda: L.BatchNormalization(), (IMAGE,)),
    LayerCase(
        "BatchNormalization of sequences with a mask",
        lambda: L.BatchNormalization(),
        (SEQUENCE, booleans(5)),
        call=_with_mask,
    ),
    _plain("GroupNormalization", IMAGE, groups=2),
    _plain("LayerNormalization"),
    _plain("RMSNormalization"),
    LayerCase("SpectralNormalization", lambda: L.SpectralNormalization(L.Dense(3)), (VECTOR,)),
    LayerCase(
        "SpectralNormalization of Conv2D",
        lambda: L.SpectralNormalization(L.Conv2D(2, 2), power_iterations=2),
        (IMAGE,),
    ),
]
_RECURRENT = [
    _plain("SimpleRNN", SEQUENCE, units=3),
    _plain("LSTM", SEQUENCE, units=3),
    _plain("GRU", SEQUENCE, units=3),
    LayerCase("GRU, reset before", lambda: L.GRU(3, reset_after=False), (SEQUENCE,)),
    LayerCase("RNN of LSTMCell", lambda: L.RNN(L.LSTMCell(3)), (SEQUENCE,)),
    LayerCase("RNN of GRUCell", lambda: L.RNN(L.GRUCell(3)), (SEQUENCE,)),
    LayerCase("RNN of SimpleRNNCell", lambda: L.RNN(L.SimpleRNNCell(3)), (SEQUENCE,)),
    LayerCase(
        "RNN of StackedRNNCells",
        lambda: L.RNN(L.StackedRNNCells([L.LSTMCell(2), L.GRUCell(3)]), return_sequences=True),
        (SEQUENCE,),
    ),
    LayerCase(
        "LSTM with its states",
        lambda: L.LSTM(3, return_sequences=True, return_state=True),
        (SEQUENCE,),
    ),
    LayerCase("Bidirectional", lambda: L.Bidirectional(L.GRU(2)), (SEQUENCE,)),
    LayerCase("TimeDistributed", lambda: L.TimeDistributed(L.Dense(3)), (SEQUENCE,)),
    LayerCase(
        "TimeDistributed BatchNormalization",
        lambda: L.TimeDistributed(L.BatchNormalization()),
        (SEQUENCE,),
    ),
    LayerCase("ConvLSTM1D", lambda: L.ConvLSTM1D(2, 2), (VIDEO_1D,)),
    LayerCase("ConvLSTM2D", lambda: L.ConvLSTM2D(2, 2), (VIDEO_2D,)),
    LayerCase("ConvLSTM3D", lambda: L.ConvLSTM3D(1, 2), (VIDEO_3D,)),
]
_ATTENTION = [
    LayerCase(
        "Attention", lambda: L.Attention(use_scale=True), (SEQUENCE,), lambda a, q: a([q, q])
    ),
    LayerCase("AdditiveAttention", L.AdditiveAttention, (SEQUENCE,), lambda a, q: a([q, q])),
    LayerCase(
        "MultiHeadAttention", lambda: L.MultiHeadAttention(2, 2), (SEQUENCE,), _query_and_value
    ),
    LayerCase(
        "GroupQueryAttention", lambda: L.GroupQueryAttention(2, 4, 2), (SEQUENCE,), _query_and_value
    ),
]
_ACTIVATIONS = [
    _plain("PReLU"),
]
_SPECTROGRAMS = [
    _plain("STFTSpectrogram", floats(32, 1), frame_length=8, frame_step=4, fft_length=8),
]
_PARAMETERLESS = [
    LayerCase("Masking", L.Masking, (SEQUENCE,), lambda mask, x: L.LSTM(2)(mask(x))),
    _plain("UnitNormalization"),
    _plain("Activation", activation="tanh"),
    _plain("ELU"),
    _plain("LeakyReLU"),
    _plain("ReLU"),
    _plain("Softmax"),
    LayerCase("Softmax with a mask", L.Softmax, (VECTOR, booleans(4)), _with_mask),
    _plain("ActivityRegularization", l2=0.1),
]
_MERGING = [
    *map(_merging, ("Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract")),
    _merging("Dot", axes=1),
]
_SHAPES = [
    _plain("Flatten", SEQUENCE),
    _plain("Identity"),
    LayerCase("Lambda", lambda: L.Lambda(lambda x: x * 2.0), (VECTOR,)),
    _plain("Permute", SEQUENCE, dims=(2, 1)),
    _plain("RepeatVector", n=2),
    _plain("Reshape", target_shape=(2, 2)),
    *_ranked("Cropping{}D", cropping=1),
    *_ranked("UpSampling{}D", size=2),
    *_ranked("ZeroPadding{}D", padding=1),
]
_POOLING = [
    *_ranked("AveragePooling{}D", pool_size=2),
    *_ranked("MaxPooling{}D", pool_size=2),
    *_ranked("GlobalAveragePooling{}D"),
    *_ranked("GlobalMaxPooling{}D"),
    *_ranked("AdaptiveAveragePooling{}D", output_size=2),
    *_ranked("AdaptiveMaxPooling{}D", output_size=2),
]
_OUTSIDE_OF_JAX = {"jax": "Keras computes it with TensorFlow, which takes no arrays of a JAX step"}
_FIXED_PREPROCESSING = [
    _plain("Rescaling", images(), scale=2.0),
    _plain("Resizing", images(), height=4, width=5),
    _plain("CenterCrop", images(), height=4, width=4),
    _plain("AutoContrast", images(), value_range=(0, 1)),
    _plain(
        "ContrastLimitedAdaptiveHistogramEqualization",
        images(),
        value_range=(0, 1),
        tile_grid_size=(2, 2),
    ),
    _plain("CategoryEncoding", integers(4, below=6), num_tokens=6),
    LayerCase("Hashing", lambda: L.Hashing(3), (integers(4, below=6),), cannot=_OUTSIDE_OF_JAX),
    LayerCase(
        "HashedCrossing",
        lambda: L.HashedCrossing(4, output_mode="one_hot"),
        (integers(1, below=6), integers(1, below=5)),
        cannot=_OUTSIDE_OF_JAX,
    ),
    _plain("MelSpectrogram", floats(64), fft_length=16, sequence_stride=8, num_mel_bins=4),
    LayerCase(
        "MaxNumBoundingBoxes",
        lambda: L.MaxNumBoundingBoxes(2, bounding_box_format="xyxy"),
        (images(), floats(3, 4), integers(3, below=2)),
        call=lambda layer, pixels, boxes, labels: layer(
            {"images": pixels, "bounding_boxes": {"boxes": boxes, "labels": labels}}
        ),
        cannot=_OUTSIDE_OF_JAX,
    ),
]

WITH_WEIGHTS: Groups = {
    "linear": _LINEAR,
    "convolutions": _CONVOLUTIONS,
    "normalisations": _NORMALISATIONS,
    "recurrent": _RECURRENT,
    "attention": _ATTENTION,
    "activations": _ACTIVATIONS,
    "spectrograms": _SPECTROGRAMS,
}
STATELESS: Groups = {
    "without parameters": _PARAMETERLESS,
    "merging": _MERGING,
    "shapes": _SHAPES,
    "pooling": _POOLING,
    "fixed preprocessing": _FIXED_PREPROCESSING,
}
