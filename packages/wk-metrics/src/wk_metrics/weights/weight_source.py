"""A model's weights, as entries of an epoch's row."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from wk_core.compat.keras.graph import own_layers
from wk_core.compat.keras.training import snapshot_value, sync_state
from wk_core.data.arrays import as_array
from wk_core.description import distinct
from wk_metrics.histograms import Distribution
from wk_metrics.row_source import RowFactory, RowSource
from wk_metrics.weights.weight_names import weight_names


class WeightSource(RowSource):
    """Takes snapshots of all weights of a model, trainable or not."""

    def __init__(self) -> None:
        self._model: Any = None
        self._names: dict[int, str] | None = None

    def begin(self, model: Any) -> None:
        """Prepares for a `fit` of a model."""
        self._model = model
        self._names = None  # Keras 2 builds some models in the first step of training

    def take(self, epoch: int) -> RowFactory:  # noqa: ARG002
        """Takes a snapshot of the weights; returns the factory of their histograms."""
        if self._names is None:
            self._names = dict(_parameter_names(self._model))
        sync_state(self._model)
        weights = {id(weight): weight for weight in self._model.weights}
        return partial(
            _row,
            {self._names[key]: snapshot_value(weight) for key, weight in weights.items()},
        )


def _parameter_names(model: Any) -> Iterator[tuple[int, str]]:
    """Yields the `id` of each weight, and its name after `parameters/`.

    Layers with a single weight, or with a weight and a bias, have the short names.
    """
    names = weight_names(model)
    short: dict[int, str] = {}
    for layer in own_layers(model):
        keys = list(dict.fromkeys(map(id, layer.weights)))
        shared = any(key in short for key in keys)
        is_biased = len(keys) == 2 and names[keys[1]].rpartition("/")[2] in ("bias", "beta")
        if not shared and (len(keys) == 1 or is_biased):
            endings = (".weights", ".bias")
            short |= {key: layer.name + end for key, end in zip(keys, endings, strict=False)}
    chosen = {key: short.get(key, name) for key, name in names.items()}
    yield from zip(chosen, distinct(chosen.values()), strict=True)


def _row(values: dict[str, Any]) -> dict[str, Any]:
    """Makes the row's entries, in the background."""
    row: dict[str, Any] = {}
    for name, value in values.items():
        row.update(Distribution(as_array(value)).entries(f"parameters/{name}"))
    return row
