"""Looking at a model without a trace: what looking may touch is put back."""

import contextlib
from collections.abc import Iterator
from typing import Any

from wk_core.compat.keras.attribute_state import PutBack
from wk_core.compat.keras.flavour import global_seed_generator, stand_in_for_global_seeds
from wk_core.compat.keras.layer_state import keep_layers, keep_variable
from wk_core.compat.keras.random_state import random_generators
from wk_core.compat.keras.training import is_compiled, sync_state

__all__ = ["preserve_random_state", "preserve_state"]


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
    with stand_in_for_global_seeds():
        generators = random_generators(in_python=in_python)
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


def _equal(one: Any, other: Any) -> bool:
    """Returns whether two states of a generator are the same."""
    if isinstance(one, dict):
        return all(_equal(one[name], other[name]) for name in one)
    if isinstance(one, (tuple, list)):
        return len(one) == len(other) and all(map(_equal, one, other))
    if hasattr(one, "shape"):
        return bool((one == other).all())
    return bool(one == other)
