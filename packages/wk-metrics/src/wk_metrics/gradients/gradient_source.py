"""The gradients of a model's loss, as entries of an epoch's row."""

import math
import threading
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import numpy as np

from wk_core.arguments import check_whole_number
from wk_core.compat.keras.flavour import keras
from wk_core.compat.keras.graph import all_layers
from wk_core.compat.keras.hooks import fit_argument
from wk_core.compat.keras.training import has_loss, loss_scale, sync_state
from wk_core.data.arrays import as_array
from wk_core.preserved_state import preserve_random_state, preserve_state
from wk_metrics.gradients.differentiation import Differentiation, Pass, Totals, differentiation_of
from wk_metrics.gradients.training_data import TrainingData
from wk_metrics.histograms import Distribution
from wk_metrics.row_source import RowFactory, RowSource
from wk_metrics.weights.weight_names import layer_names, weight_names

_BATCH_SIZE_OF_FIT: Final = 32  # Keras' default
_BATCH_SIZE_OF_VECTORS: Final = 512
# By which factor the scale of the loss shrinks if a gradient overflows half precision.
_LESS: Final = 16.0


class GradientSource(RowSource):
    """Computes gradients of the loss over all of the data, with the weights at an epoch's end.

    Args:
        training_data: The data.
        batch_size: The number of samples in a batch of arrays; None for the training's own, or more
            if samples are vectors.

    Raises:
        TypeError: If the data are of no accepted kind.
        ValueError: If they have no end or no samples, or if `batch_size` is below 1.
    """

    def __init__(self, training_data: Any, *, batch_size: int | None = None) -> None:
        if batch_size is not None:
            batch_size = check_whole_number(batch_size, "batch_size", of="samples", or_else="None")
        self._data = TrainingData(training_data)
        self._given_size = batch_size
        self._model: Any = None
        self._differentiation: Differentiation | None = None
        self._last: _Once | None = None

    def begin(self, model: Any) -> None:
        """Checks whether model and data fit, by the gradients of the first batch.

        This also compiles the function, so that no epoch waits for it.

        Raises:
            ValueError: If the model has no loss or no trainable weights.
        """
        if not has_loss(model):
            raise ValueError(
                "There are no gradients without a loss: pass `loss` to `compile`, or give the "
                f"model a `compute_loss` of its own. Received: {type(model).__name__} without both"
            )
        self._model = model
        self._differentiation = self._last = None
        if model.built:  # Keras 2 builds some models in the first step of training
            differentiation = self._prepare()
            with preserve_state(model, in_python=True):  # compiling runs the model's own code
                differentiation.begin_pass()(self._data.shapes(self._batch_size), 1.0)

    def take(self, epoch: int) -> RowFactory:  # noqa: ARG002
        """Computes the gradients, in the background if possible, else now.

        Returns:
            Makes their histograms and norms.
        """
        differentiation = self._differentiation or self._prepare()
        if self._last is not None:
            self._last()  # one at a time, since each holds the weights of its epoch
        sync_state(self._model)
        scale = loss_scale(self._model) if self._halves else 1.0
        totals = _Once(partial(self._totals, differentiation.begin_pass(), scale))
        if self._data.in_arrays and differentiation.goes_on_beside_training:
            self._last = totals
        else:
            with preserve_random_state(in_python=not self._data.in_arrays):  # of drawing data
                totals()
        names, layers = self._names, self._layers
        return lambda: _row(totals(), names, layers)

    def _prepare(self) -> Differentiation:
        model = self._model
        weights = model.trainable_variables
        if not weights:
            raise ValueError(
                "There are no gradients without trainable weights. Received: "
                f"{type(model).__name__} with {len(model.weights)} weights, none of them trainable"
            )
        names, layers = weight_names(model), layer_names(model)
        self._names = [names[id(weight)] for weight in weights]
        self._layers = [layers.get(id(weight)) for weight in weights]
        self._batch_size = self._given_size or _fast_batch_size(model)
        self._halves = any(layer.compute_dtype == "float16" for layer in all_layers(model))
        self._differentiation = differentiation_of(model)
        return self._differentiation

    def _totals(self, gradients: Pass, scale: float) -> Totals:
        totals = gradients(self._data.batches(self._batch_size), scale)
        # If its scale is too large, training skips the step and tries a smaller scale.
        while scale > 1.0 and _overflows(totals):
            scale = max(1.0, scale / _LESS)
            totals = gradients(self._data.batches(self._batch_size), scale)
        return totals


class _Once:
    """Totals that are computed at the first call; concurrent calls wait for them.

    Args:
        take: Computes them; called once.
    """

    def __init__(self, take: Callable[[], Totals]) -> None:
        self._take: Callable[[], Totals] | None = take
        self._lock = threading.Lock()

    def __call__(self) -> Totals:
        with self._lock:
            if self._take is not None:
                self._totals = self._take()
                self._take = None
        return self._totals


def _row(totals: Totals, names: list[str], layers: list[str | None]) -> dict[str, Any]:
    """Makes the row's entries, in the background."""
    row: dict[str, Any] = {}
    norms: dict[str | None, list[float]] = defaultdict(list)
    for total, name, layer in zip(totals.gradients, names, layers, strict=True):
        distribution = Distribution(as_array(total) / totals.samples)
        row.update(distribution.entries(f"gradients/{name}.gradient"))
        norms[layer].append(distribution.norm)
    for layer, those in norms.items():
        if layer is not None:
            row[f"gradients/{layer}.norm"] = math.hypot(*those)
    row["gradients/global_norm"] = math.hypot(*(norm for those in norms.values() for norm in those))
    return row


def _overflows(totals: Totals) -> bool:
    return _is_finite(totals.loss) and not all(map(_is_finite, totals.gradients))


def _is_finite(tensor: Any) -> bool:
    return bool(np.isfinite(as_array(tensor)).all())


def _fast_batch_size(model: Any) -> int:
    """Returns a batch size that the model accepts and that fits into memory.

    It is the training's own, or more if samples are vectors: vectors are small, and in large
    batches the products of matrices take a fraction of the time.
    """
    inputs = getattr(model, "inputs", None) or []  # a subclassed model may have none
    fixed: int | None = inputs[0].shape[0] if inputs else None
    if fixed is not None:
        return fixed
    size = fit_argument("batch_size") or _BATCH_SIZE_OF_FIT
    embeds = any(isinstance(layer, keras.layers.Embedding) for layer in all_layers(model))
    takes_vectors = bool(inputs) and all(len(tensor.shape) == 2 for tensor in inputs)
    return max(size, _BATCH_SIZE_OF_VECTORS) if takes_vectors and not embeds else size
