"""Predictions of a model, without a trace in its training."""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from wk_core.callbacks import argument_of_fit
from wk_core.keras import LEGACY, keras
from wk_core.keras_saving import all_layers, values_of
from wk_core.preserved_state import preserve_state
from wk_core.spread import is_spread
from wk_eval.arrays import as_array, is_tensor
from wk_eval.data.batch_predictor import BatchPredictor
from wk_eval.data.rows import count_rows, is_sparse_or_ragged
from wk_eval.data.samples import Samples
from wk_eval.data.structures import Arrays, join, leaves, map_arrays, with_tuples

__all__ = ["Predictor"]


class Predictor:
    """Predicts in the thread that trains, in this process alone, and leaves no trace.

    A model that takes batches of one size only gets batches of that size. Layers that keep a state
    from one batch to the next begin with none. What predicting changes is put back: states,
    statistics, random numbers (`wk_core.preserved_state`).

    What it returns has the structure of the model's outputs. Numbers of types that NumPy does not
    have, as bfloat16, become float32.

    Args:
        model: The model.

    Raises:
        ValueError: If this process has only parts of the model.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._predict_batch = BatchPredictor(model)
        self._has_predicted = False

    def __call__(self, inputs: Any) -> Any:
        """Returns what the model puts out for one batch of inputs, as the model takes them."""
        if any(map(is_sparse_or_ragged, leaves(with_tuples(inputs)))):
            with preserve_state(self._model, in_python=not self._has_predicted):
                return _map_outputs(lambda array: array, self._predict_batch(inputs))
        arrays = map_arrays(as_array, with_tuples(inputs))
        samples = Samples(arrays, arrays, count_rows(next(leaves(arrays))))
        return self.all_of(samples, samples.count)

    def all_of(self, samples: Samples, batch_size: int) -> Any:
        """Returns what the model puts out for all examples.

        Args:
            samples: The examples.
            batch_size: How many are predicted at once, where the model takes any number.
        """
        with self.batches(samples, batch_size) as batches:
            return join([outputs for _, outputs in batches])

    @contextlib.contextmanager
    def batches(
        self, samples: Samples, batch_size: int, *, most: int | None = None
    ) -> Iterator[Iterator[tuple[int, Any]]]:
        """Gives an iterator for the block: over the outputs of batches, each with a number.

        The number is that of the batch's first example. The last batch is filled up to the size of
        the others, so that a backend compiles the model once; what is beyond is cut off again.

        Args:
            samples: The examples.
            batch_size: How many are predicted at once, where the model takes any number.
            most: How many batches are predicted at most. Defaults to None: all.
        """
        self._build(samples, batch_size)
        size = self._fixed_size() or min(batch_size, samples.count)
        # The first time the model is compiled, which runs its code in Python.
        with preserve_state(self._model, in_python=not self._has_predicted):
            self._forget_states()
            yield (
                (start, self._predict(batch, size))
                for number, (start, batch) in enumerate(samples.batches(size))
                if most is None or number < most
            )
        self._has_predicted = True

    def _predict(self, batch: Arrays, size: int) -> Any:
        count = count_rows(next(leaves(batch)))
        outputs = self._predict_batch(map_arrays(lambda array: _of_size(array, size), batch))
        return _map_outputs(lambda array: array[:count] if len(array) == size else array, outputs)

    def _build(self, samples: Samples, batch_size: int) -> None:
        """Builds a model that is not built yet, as its first step of training would.

        With a batch of the training's size, where it is known, since layers may keep it.
        """
        if self._model.built:
            return
        size = argument_of_fit("batch_size") or batch_size
        _, batch = next(samples.batches(size))
        batch = map_arrays(lambda array: _of_size(array, size), batch)
        if LEGACY:
            self._predict_batch(batch)
            return
        with preserve_state(self._model, in_python=True), keras.StatelessScope():
            self._model(map_arrays(keras.ops.convert_to_tensor, batch))

    def _fixed_size(self) -> int | None:
        """Returns the one size of batches that the model takes; None where it takes any."""
        inputs = getattr(self._model, "inputs", None)  # a subclassed model has none
        if inputs and inputs[0].shape[0] is not None:
            return int(inputs[0].shape[0])
        for state in self._states():
            return int(state.shape[0])
        if inputs:
            return None
        shapes = (
            getattr(layer, "_batch_input_shape" if LEGACY else "batch_shape", None) or (None,)
            for layer in all_layers(self._model)
            if isinstance(layer, keras.layers.InputLayer)
        )
        return next((int(shape[0]) for shape in shapes if shape[0] is not None), None)

    def _states(self) -> list[Any]:
        """Returns what layers keep from one batch to the next."""
        layers = [each for each in all_layers(self._model) if getattr(each, "stateful", False)]
        return [state for layer in layers for state in _variables(getattr(layer, "states", None))]

    def _forget_states(self) -> None:
        if is_spread(self._model):  # what is assigned there is not put back
            return
        states = self._states()
        for state, value in zip(states, values_of(states), strict=True):
            state.assign(np.zeros_like(value))


def _of_size(array: Any, size: int) -> Any:
    """Returns a batch of a size, with the last example repeated."""
    missing = size - len(array)
    return np.concatenate([array, *[array[-1:]] * missing]) if missing > 0 else array


def _map_outputs(function: Any, outputs: Any) -> Any:
    """Returns outputs as arrays, in their own structure, with a function applied to each one."""
    if isinstance(outputs, list):
        return [_map_outputs(function, each) for each in outputs]
    if isinstance(outputs, tuple):
        return tuple(_map_outputs(function, each) for each in outputs)
    if isinstance(outputs, dict):
        return {name: _map_outputs(function, each) for name, each in outputs.items()}
    if not is_tensor(outputs):
        return outputs
    array = as_array(outputs)
    return function(array) if array.ndim else array


def _variables(states: Any) -> list[Any]:
    """Returns the variables in a nest of lists; none where a layer has not been built."""
    if states is None:
        return []
    if isinstance(states, (list, tuple)):
        return [variable for each in states for variable in _variables(each)]
    return [states]
