"""A tiny training of some layers, and all that it has changed."""

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from layers.case import SAMPLES, LayerCase
from wk_checkpoint.state.random_state import capture_torch
from wk_core.compat.keras.flavour import (
    backend,
    global_seed_generator,
    keras,
    seed_variables,
    values_of,
)
from wk_core.compat.keras.graph import all_layers

__all__ = ["Training", "compile_model", "differences", "model_state", "process_state"]


class Training:
    """A model of layers beside each other, each with a dense head of its own, compiled.

    None of them has to do with the others: what is wrong with one shows in its own state alone.

    Args:
        cases: The layers, and how they are used.
        seed: What all random numbers come from.
        other: Whether layers are made by `make_other`, where they have it.
        optimizer: The optimizer. Defaults to Adam.
    """

    def __init__(
        self, cases: Sequence[LayerCase], seed: int, *, other: bool = False, optimizer: Any = None
    ) -> None:
        keras.utils.set_random_seed(seed)
        self.layers: dict[str, Any] = {}
        self.branches: dict[str, Any] = {}
        inputs: dict[str, Any] = {}
        heads: list[Any] = []
        self.x: dict[str, Any] = {}
        for case in cases:
            for each in case.inputs:
                if each.name not in inputs:
                    inputs[each.name], self.x[each.name] = each.symbolic(), each.data()
            own = {each.name: inputs[each.name] for each in case.inputs}
            layer = case.make_other() if other and case.make_other else case.make()
            outputs = case.called(layer, list(own.values()))
            if case.prepare is not None:
                case.prepare(layer)
            self.layers[case.name] = layer
            heads.append(keras.layers.Dense(1)(_flat(outputs)))
            self.branches[case.name] = keras.Model(own, heads[-1])
        self.model = keras.Model(inputs, _beside(heads))
        compile_model(self.model, optimizer or keras.optimizers.Adam(0.01))
        self.y = np.random.default_rng(1).normal(size=(SAMPLES, len(cases))).astype("float32")

    def fit(self, epochs: int, *, initial_epoch: int = 0, callbacks: Iterable[Any] = ()) -> None:
        """Trains: each epoch is one batch."""
        self.model.fit(
            self.x,
            self.y,
            batch_size=SAMPLES,
            initial_epoch=initial_epoch,
            epochs=epochs,
            shuffle=False,
            verbose=0,
            callbacks=list(callbacks),
        )

    def state(self) -> dict[str, Any]:
        """Returns all that a training may have changed, by the layer's name and what it is."""
        return {
            **{
                f"{name}: {what}": value
                for name, branch in self.branches.items()
                for what, value in model_state(branch).items()
            },
            "the optimizer": values_of(self.model.optimizer.variables),
        }


def compile_model(model: Any, optimizer: Any, loss: Any = "mse", **arguments: Any) -> None:
    """Compiles a model such that a few steps cost least."""
    if backend() == "tensorflow":  # tracing costs more than a few steps
        arguments |= {"run_eagerly": True, "jit_compile": False}
    model.compile(optimizer, loss, **arguments)


def model_state(model: Any) -> dict[str, Any]:
    """Returns a model's weights, seeds, vocabularies and PyTorch modules, by what they are."""
    state = {"weights": values_of(model.weights), "seeds": values_of(seed_variables(model))}
    for number, layer in enumerate(all_layers(model)):
        if hasattr(layer, "get_vocabulary"):
            state[f"vocabulary {number}"] = list(layer.get_vocabulary())
        if hasattr(layer, "bin_boundaries"):
            state[f"bins {number}"] = list(layer.bin_boundaries)
        if hasattr(layer, "module") and hasattr(layer.module, "state_dict"):
            tensors = layer.module.state_dict()
            state |= {f"{key} of {number}": _copy(value) for key, value in tensors.items()}
    return state


def process_state() -> dict[str, Any]:
    """Returns where the random generators of this process stand."""
    seed = global_seed_generator()
    return {
        "Python's random numbers": random.getstate(),
        "NumPy's random numbers": list(np.random.get_state(legacy=True)),
        "Keras' global seed": None if seed is None else values_of([seed]),
        **{f"PyTorch's {name}": state.copy() for name, state in capture_torch().items()},
    }


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Returns the names of what is not the same in both, bit for bit."""
    assert list(one) == list(other)
    return [name for name in one if not _same(one[name], other[name])]


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, np.ndarray):
        return bool(one.dtype == other.dtype and one.tobytes() == other.tobytes())
    return bool(one == other)


def _copy(tensor: Any) -> Any:
    return tensor.detach().cpu().numpy().copy()


def _flat(outputs: Any) -> Any:
    """Returns all that a layer puts out as vectors of numbers."""
    vectors = [
        keras.layers.Flatten()(keras.ops.cast(output, "float32"))
        for output in keras.tree.flatten(outputs)
    ]
    return _beside(vectors)


def _beside(vectors: Sequence[Any]) -> Any:
    return vectors[0] if len(vectors) == 1 else keras.layers.Concatenate()(vectors)
