"""Uses of the layers that draw random numbers."""

from collections.abc import Mapping
from typing import Any

from layers.case import Groups, Input, LayerCase, floats, images, making, missing_class
from wk_core.compat.keras.flavour import keras

__all__ = ["RANDOM"]

L = keras.layers

VECTOR, SEQUENCE = floats(4), floats(5, 3)


def _on_images(
    name: str, *, ranged: bool = True, cannot: Mapping[str, str] | None = None, **arguments: Any
) -> LayerCase:
    """Returns a use of an augmentation; `ranged` where it has to know the range of the pixels."""
    if ranged:
        arguments["value_range"] = (0, 1)
    make, missing = making(L, name, **arguments), missing_class(L, name)
    return LayerCase(name, make, (images(),), cannot=cannot or {}, missing=missing)


def _dropping(name: str, what: Input, **arguments: Any) -> LayerCase:
    return LayerCase(name, making(L, name, **arguments), (what,))


_NOISE = [
    _dropping("Dropout", VECTOR, rate=0.4),
    LayerCase("Dropout with a seed", lambda: L.Dropout(0.4, seed=3), (VECTOR,)),
    _dropping("AlphaDropout", VECTOR, rate=0.4),
    _dropping("GaussianDropout", VECTOR, rate=0.4),
    _dropping("GaussianNoise", VECTOR, stddev=0.4),
    _dropping("SpatialDropout1D", SEQUENCE, rate=0.4),
    _dropping("SpatialDropout2D", floats(4, 4, 2), rate=0.4),
    _dropping("SpatialDropout3D", floats(4, 4, 4, 2), rate=0.4),
]
_WITHIN_LAYERS = [
    LayerCase(
        "LSTM with dropout", lambda: L.LSTM(3, dropout=0.2, recurrent_dropout=0.2), (SEQUENCE,)
    ),
    LayerCase("GRU with recurrent dropout", lambda: L.GRU(3, recurrent_dropout=0.2), (SEQUENCE,)),
    LayerCase("SimpleRNN with dropout", lambda: L.SimpleRNN(3, dropout=0.2), (SEQUENCE,)),
    LayerCase(
        "Bidirectional LSTM with dropout",
        lambda: L.Bidirectional(L.LSTM(2, recurrent_dropout=0.2)),
        (SEQUENCE,),
    ),
    LayerCase(
        "RNN of StackedRNNCells with dropout",
        lambda: L.RNN([L.LSTMCell(2, dropout=0.2), L.GRUCell(3, recurrent_dropout=0.2)]),
        (SEQUENCE,),
    ),
    LayerCase(
        "ConvLSTM1D with dropout",
        lambda: L.ConvLSTM1D(2, 2, dropout=0.2, recurrent_dropout=0.2),
        (floats(3, 4, 2),),
    ),
    LayerCase(
        "MultiHeadAttention with dropout",
        lambda: L.MultiHeadAttention(2, 2, dropout=0.3),
        (SEQUENCE,),
        lambda layer, query: layer(query, query),
    ),
    LayerCase(
        "GroupQueryAttention with dropout",
        lambda: L.GroupQueryAttention(2, 4, 2, dropout=0.3),
        (SEQUENCE,),
        lambda layer, query: layer(query, query),
    ),
    LayerCase(
        "Attention with dropout",
        lambda: L.Attention(dropout=0.3),
        (SEQUENCE,),
        lambda layer, query: layer([query, query]),
    ),
    LayerCase(
        "AdditiveAttention with dropout",
        lambda: L.AdditiveAttention(dropout=0.3),
        (SEQUENCE,),
        lambda layer, query: layer([query, query]),
    ),
    LayerCase("TimeDistributed Dropout", lambda: L.TimeDistributed(L.Dropout(0.4)), (SEQUENCE,)),
]
_AUGMENTATIONS = [
    _on_images("AugMix"),
    _on_images("CutMix", ranged=False),
    _on_images("MixUp", ranged=False),
    _on_images("RandAugment"),
    _on_images("RandomBrightness", factor=0.3),
    _on_images("RandomColorDegeneration", factor=0.5),
    _on_images("RandomColorJitter", brightness_factor=0.3, hue_factor=0.2),
    _on_images("RandomContrast", factor=0.5),
    LayerCase(
        "RandomCrop",
        lambda: L.RandomCrop(4, 4),
        (images(),),
        # Keras 3.15 crops in training only, and takes the whole image where it predicts.
        lambda layer, pixels: L.GlobalAveragePooling2D()(layer(pixels)),
    ),
    _on_images(
        "RandomElasticTransform",
        cannot={"jax": "Keras 3.15 reads a random number in its step, which JAX cannot compile"},
    ),
    _on_images("RandomErasing"),
    _on_images("RandomFlip", ranged=False),
    _on_images("RandomGaussianBlur"),
    _on_images("RandomGrayscale", ranged=False),
    _on_images("RandomHue", factor=0.3),
    _on_images("RandomInvert"),
    _on_images("RandomPerspective", ranged=False),
    _on_images("RandomPosterization", factor=4),
    _on_images("RandomRotation", ranged=False, factor=0.2),
    _on_images("RandomSaturation", factor=0.5),
    _on_images("RandomSharpness", factor=0.5),
    _on_images("RandomShear", ranged=False, x_factor=0.3, y_factor=0.3),
    _on_images("RandomTranslation", ranged=False, height_factor=0.3, width_factor=0.3),
    _on_images("RandomZoom", ranged=False, height_factor=0.3),
    _on_images("Solarization", addition_factor=0.3, threshold_factor=0.5),
    LayerCase(
        "Pipeline",
        lambda: L.Pipeline([L.RandomFlip(), L.RandomBrightness(0.3, (0, 1))]),
        (images(),),
    ),
]

RANDOM: Groups = {
    "noise": _NOISE,
    "random within": _WITHIN_LAYERS,
    "augmentations": _AUGMENTATIONS,
}
