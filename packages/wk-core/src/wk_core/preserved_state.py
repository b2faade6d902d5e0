"""Looking at a model without a trace: what looking may touch is put back."""

import contextlib
import functools
import random
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

import numpy as np

from wk_core.keras import LEGACY, backend, keras, sync_state
from wk_core.keras_saving import global_seed_generator, without_distribution
from wk_core.keras_training import is_compiled
from wk_core.layer_state import PutBack, keep_layers, keep_variable

__all__ = ["preserve_random_state", "preserve_state"]

_Generator: TypeAlias = tuple[Callable[[], Any], Callable[[Any], Any]]

_STAND_IN_SEED: Final = 20


@contextlib.contextmanager
def preserve_state(model: Any, *, weights: bool = False, in_python: bool = False) -> Iterator[None]:
    """Puts back what looking at a model in the block has changed.

    That is, of the model and of all layers in it: variables that are not trained, as statistics,
    states and counts; the generators of random numbers; metrics; buffers and modes of PyTorch
    modules; TensorFlow's own variables, generators and tables in attributes of layers; and numbers
    and arrays in attributes of layers that are not Keras' own. Beside the model it is what
    `preserve_random_state` puts back.

    Weights that are trained are left alone, since predicting reads them: copies of them would take
    memory. Only those of layers that are not Keras' own are put back where they are small, since
    such a layer may keep a count in one.

    The values are copied once, when the block begins. Call it in the thread that trains.

    Args:
        model: The model.
        weights: Whether the trained weights are put back, too, as after calls in training mode
            outside of a `StatelessScope`. Defaults to False.
        in_python: As of `preserve_random_state`. Defaults to False: where the model is compiled,
            its calls do not run in Python.

    Example:
        ```python
        import keras
        import numpy as np
        from wk_core.preserved_state import preserve_state

        model = keras.Sequential([keras.Input((2,)), keras.layers.BatchNormalization()])
        before = model.get_weights()
        with preserve_state(model):
            model(np.ones((4, 2)), training=True)
        assert all(map(np.array_equal, before, model.get_weights()))
        ```
    """
    with preserve_random_state(in_python=in_python or not is_compiled(model)):
        sync_state(model)
        kept = keep_layers(model, weights=weights)
        try:
            yield
        finally:
            sync_state(model)
            for put_back in kept:
                put_back()


@contextlib.contextmanager
def preserve_random_state(*, in_python: bool = True) -> Iterator[None]:
    """Puts back the random states that do not belong to a model, where the block has changed them.

    Those are Python's, NumPy's, Keras' seeds for what was given none, TensorFlow's, and PyTorch's
    on CPU and CUDA.

    Args:
        in_python: Whether the block runs code of the user in Python: draws data, compiles a model
            or calls one that is not compiled. Where it does not, the generators that such code
            draws from are left alone: threads that draw training data may use them meanwhile.
    """
    with _stand_in_for_the_global_seeds():
        generators = _generators(in_python=in_python)
        kept = [(keep, put_back, keep()) for keep, put_back in generators]
        seeds = global_seed_generator()
        put_back_seeds: PutBack | None = None if seeds is None else keep_variable(seeds)
        try:
            yield
        finally:
            for keep, put_back, before in kept:
                if not _equal(keep(), before):
                    put_back(before)
            if put_back_seeds is not None:
                put_back_seeds()


def _generators(*, in_python: bool) -> list[_Generator]:
    """Returns how to read and to set the state of each generator that this process has."""
    generators: list[_Generator] = []
    if in_python:
        generators.append((random.getstate, random.setstate))
        generators.append((lambda: np.random.get_state(legacy=False), np.random.set_state))
        if "torch" in sys.modules:  # data may come from its loaders on any backend
            generators += _generators_of_torch(sys.modules["torch"])
    if backend() == "tensorflow":
        generators += _generators_of_tensorflow()
    return generators


def _generators_of_torch(torch: Any) -> list[_Generator]:
    generators: list[_Generator] = [(torch.random.get_rng_state, torch.random.set_rng_state)]
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        generators.append((torch.cuda.get_rng_state_all, torch.cuda.set_rng_state_all))
    return generators


def _generators_of_tensorflow() -> list[_Generator]:
    from tensorflow.python.eager import context
    from tensorflow.python.ops import stateful_random_ops

    generators: list[_Generator] = []
    if LEGACY:
        from tf_keras.src.backend import _SEED_GENERATOR

        seeds_of_layers = getattr(_SEED_GENERATOR, "generator", None)
        if seeds_of_layers is not None:
            generators.append((seeds_of_layers.getstate, seeds_of_layers.setstate))
    seeds = getattr(context.context(), "_rng", None)
    if seeds is not None:

        def put_back_seeds(state: Any) -> None:
            seeds.setstate(state)
            # An operation that is seeded alike would go on with the numbers of the one before it.
            context.context().clear_kernel_cache()

        generators.append((seeds.getstate, put_back_seeds))
    own = stateful_random_ops.global_generator
    if own is not None:
        generators.append((lambda: own.state.read_value().numpy(), own.state.assign))
    return generators


def _equal(one: Any, other: Any) -> bool:
    """Tells whether two states of a generator are the same."""
    if isinstance(one, dict):
        return all(_equal(one[name], other[name]) for name in one)
    if isinstance(one, (tuple, list)):
        return len(one) == len(other) and all(map(_equal, one, other))
    if hasattr(one, "shape"):
        return bool((one == other).all())
    return bool(one == other)


@contextlib.contextmanager
def _stand_in_for_the_global_seeds() -> Iterator[None]:
    """Gives Keras a generator of global seeds for the block, where it has none yet.

    Else Keras would make one, which draws from Python's random numbers, and keep it.
    """
    if LEGACY or global_seed_generator() is not None:
        yield
        return
    from keras.src.backend.common import global_state
    from keras.src.random import seed_generator

    name = seed_generator.GLOBAL_SEED_GENERATOR
    with without_distribution():  # The other processes make none.
        stand_in = _stand_in()
    global_state.set_global_attribute(name, stand_in)
    try:
        yield
    finally:
        if global_state.get_global_attribute(name) is stand_in:
            global_state.set_global_attribute(name, None)


@functools.cache
def _stand_in() -> Any:
    """Returns the one generator that stands in: compiled functions may hold on to it."""
    return keras.random.SeedGenerator(_STAND_IN_SEED, name="wk_stand_in")
