"""What a model puts out, without a trace in its training."""

import math
from operator import itemgetter
from typing import Any, Final

import numpy as np

from wk_core.keras import sync_state
from wk_core.keras_saving import all_layers, values_of
from wk_eval.arrays import as_array
from wk_eval.predictor import Predictor as BatchPredictor
from wk_eval.samples import Arrays, Samples, join, map_arrays

_BATCH_SIZE: Final = 32


class Predictor:
    """Predicts, in batches, in the thread that trains.

    A model that takes batches of one size only gets batches of that size. Layers that keep a state
    from one batch to the next begin with none, and have the training's back afterwards.

    Args:
        model: The model.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._predict_batch = BatchPredictor(model)
        inputs = getattr(model, "inputs", None) or []  # a model that is not built may have none
        self._fixed_size: int | None = inputs[0].shape[0] if inputs else None

    def first(self, samples: Samples, count: int = _BATCH_SIZE) -> Arrays:
        """Returns what the model puts out for the first example, with an axis of length 1.

        Args:
            samples: The examples.
            count: How many are predicted, as many as later on: a backend compiles the model anew
                for each size of a batch.
        """
        outputs = self(samples.chosen(np.arange(min(count, samples.count))))
        first: Arrays = map_arrays(itemgetter(slice(1)), outputs)
        return first

    def __call__(self, samples: Samples) -> Arrays:
        """Returns what the model puts out for all examples."""
        states = self._states()
        kept = values_of(states)
        for state, value in zip(states, kept, strict=True):
            state.assign(np.zeros_like(value))
        batches = math.ceil(samples.count / _BATCH_SIZE)
        size = self._fixed_size or math.ceil(samples.count / batches)
        parts = [self._predict(batch) for _, batch in samples.batches(size)]
        for state, value in zip(states, kept, strict=True):
            state.assign(value)
        outputs: Arrays = map_arrays(itemgetter(slice(samples.count)), join(parts))
        return outputs

    def _states(self) -> list[Any]:
        layers = [each for each in all_layers(self._model) if getattr(each, "stateful", False)]
        if layers:
            sync_state(self._model)
        return [state for layer in layers for state in _leaves(layer.states)]

    def _predict(self, batch: Arrays) -> Any:
        if self._fixed_size is not None:
            batch = map_arrays(self._filled_up, batch)
        outputs = self._predict_batch(batch)
        return map_arrays(_numbers, tuple(outputs) if isinstance(outputs, list) else outputs)

    def _filled_up(self, array: Any) -> Any:
        """Returns a batch of the size that the model takes, with the last example repeated."""
        missing = (self._fixed_size or 0) - len(array)
        return np.concatenate([array, *[array[-1:]] * missing]) if missing > 0 else array


def _numbers(tensor: Any) -> Any:
    """Returns a tensor as an array of a type that NumPy itself has."""
    array = as_array(tensor)
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array


def _leaves(states: Any) -> list[Any]:
    """Returns the variables in a nest of lists; none where a layer has not been built."""
    if states is None:
        return []
    if isinstance(states, (list, tuple)):
        return [leaf for each in states for leaf in _leaves(each)]
    return [states]
