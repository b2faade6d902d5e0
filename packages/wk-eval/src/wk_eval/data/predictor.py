"""Predicts with a model, and leaves its training unchanged."""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from wk_core.compat.keras.flavour import (
    input_shape,
    keras,
    map_structure,
    stateless_scope,
    to_tensor,
    values_of,
)
from wk_core.compat.keras.graph import all_layers
from wk_core.compat.keras.hooks import fit_argument
from wk_core.compat.keras.layer_state import layer_states
from wk_core.compat.keras.sharding import is_multi_process
from wk_core.data.arrays import as_array, is_tensor
from wk_core.data.rows import count_rows, is_sparse_or_ragged
from wk_core.data.structures import Arrays, leaves, map_arrays, with_tuples
from wk_core.preserved_state import preserve_state
from wk_eval.data.batch_predictor import BatchPredictor
from wk_eval.data.samples import Samples
from wk_eval.data.structures import join

__all__ = ["Predictor"]


class Predictor:
    """Predicts in the training thread, in this process alone, and leaves the training unchanged.

    A model with a fixed batch size gets batches of that size. Stateful layers begin with an empty
    state. States, statistics and random numbers are restored afterwards
    (`wk_core.preserved_state`).

    Results have the structure of the model's outputs. Numbers of types that NumPy does not have, as
    bfloat16, become float32.

    Args:
        model: The model.

    Raises:
        ValueError: If this process has only a part of the model.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._predict_batch = BatchPredictor(model)
        self._has_predicted = False

    def __call__(self, inputs: Any) -> Any:
        """Returns the model's outputs for one batch of inputs, in the model's own structure."""
        if any(map(is_sparse_or_ragged, leaves(with_tuples(inputs)))):
            with preserve_state(self._model, in_python=not self._has_predicted):
                return _map_outputs(lambda array: array, self._predict_batch(inputs))
        arrays = map_arrays(as_array, with_tuples(inputs))
        samples = Samples(arrays, arrays, count_rows(next(leaves(arrays))))
        return self.all_of(samples, samples.count)

    def all_of(self, samples: Samples, batch_size: int) -> Any:
        """Returns the model's outputs for all examples.

        Args:
            samples: The examples.
            batch_size: The batch size, for a model without a fixed one.
        """
        with self.batches(samples, batch_size) as batches:
            return join([outputs for _, outputs in batches])

    @contextlib.contextmanager
    def batches(
        self, samples: Samples, batch_size: int, *, most: int | None = None
    ) -> Iterator[Iterator[tuple[int, Any]]]:
        """Yields an iterator over batches, for the block: index of the first example, and outputs.

        The last batch is padded to the size of the others, so that a backend compiles the model
        once. The outputs of the padding are removed.

        Args:
            samples: The examples.
            batch_size: The batch size, for a model without a fixed one.
            most: The most batches to predict. Defaults to None: all.
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
        """Builds a model that is not built yet, as its first training step would.

        It uses the batch size of the training if that is known: layers may keep it.
        """
        if self._model.built:
            return
        size = fit_argument("batch_size") or batch_size
        _, batch = next(samples.batches(size))
        batch = map_arrays(lambda array: _of_size(array, size), batch)
        with preserve_state(self._model, in_python=True), stateless_scope():
            self._model(map_arrays(to_tensor, batch))

    def _fixed_size(self) -> int | None:
        """Returns the model's fixed batch size; None if it has none."""
        inputs = getattr(self._model, "inputs", None)  # a subclassed model has none
        if inputs and inputs[0].shape[0] is not None:
            return int(inputs[0].shape[0])
        for state in self._states():
            return int(state.shape[0])
        if inputs:
            return None
        shapes = (
            input_shape(layer) or (None,)
            for layer in all_layers(self._model)
            if isinstance(layer, keras.layers.InputLayer)
        )
        return next((int(shape[0]) for shape in shapes if shape[0] is not None), None)

    def _states(self) -> list[Any]:
        """Returns the states of stateful layers."""
        layers = [each for each in all_layers(self._model) if getattr(each, "stateful", False)]
        return [state for layer in layers for state in layer_states(layer)]

    def _forget_states(self) -> None:
        if is_multi_process(self._model):  # assigned values would not be restored there
            return
        states = self._states()
        for state, value in zip(states, values_of(states), strict=True):
            state.assign(np.zeros_like(value))


def _of_size(array: Any, size: int) -> Any:
    """Returns a batch padded to a size with its last example."""
    missing = size - len(array)
    return np.concatenate([array, *[array[-1:]] * missing]) if missing > 0 else array


def _map_outputs(function: Any, outputs: Any) -> Any:
    """Returns outputs as arrays, in their own structure, with a function applied to each."""

    def mapped(output: Any) -> Any:
        if not is_tensor(output):
            return output
        array = as_array(output)
        return function(array) if array.ndim else array

    return map_structure(mapped, outputs)
