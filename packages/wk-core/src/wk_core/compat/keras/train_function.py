"""A second train function of a model, whose updates can be looked at.

Keras makes `model.train_function` before `on_train_begin`, and looks it up for each execution. A
second one, made by Keras' own method, runs the same step; what a callback adds to it is put over
methods of the model and of its optimizers only while it is made and while it runs.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

from wk_core.compat.entries import say_missing, stands_on
from wk_core.compat.keras.flavour import choose
from wk_core.compat.keras.saved_objects import trained_variables

__all__ = [
    "Shadow",
    "UpdateObserver",
    "extended_shardings",
    "observed_update",
    "second_train_function",
    "shadowed",
]

Shadow: TypeAlias = tuple[Any, str, Any]
"""An object, the name of one of its attributes, and what stands for the attribute meanwhile."""

UpdateObserver: TypeAlias = Callable[[list[Any], list[Any], Callable[[], Any]], Any]
"""Called instead of an update, with gradients, variables and the update, whose result it returns.

A gradient may be None.
"""

_ABSENT: Any = object()


@contextlib.contextmanager
def shadowed(shadows: Iterable[Shadow]) -> Iterator[None]:
    """Puts attributes over those of objects, in the objects' own dictionaries, meanwhile."""
    shadows = list(shadows)
    kept = [owner.__dict__.get(name, _ABSENT) for owner, name, _ in shadows]
    for owner, name, stand_in in shadows:
        owner.__dict__[name] = stand_in
    try:
        yield
    finally:
        for (owner, name, _), value in zip(shadows, kept, strict=True):
            if value is _ABSENT:
                owner.__dict__.pop(name, None)
            else:
                owner.__dict__[name] = value


def second_train_function(model: Any, shadows: Iterable[Shadow] = ()) -> Callable[..., Any]:
    """Has Keras make another train function, with attributes shadowed; the model keeps its own."""
    names = ("train_function", "train_tf_function")  # the latter in Keras 2
    kept = {name: vars(model)[name] for name in names if name in vars(model)}
    try:
        with shadowed(shadows):
            model.make_train_function(force=True)
        made: Callable[..., Any] = model.train_function
        return made
    finally:
        vars(model).update(kept)


def observed_update(optimizer: Any, observe: UpdateObserver) -> Shadow:
    """Returns what stands for an optimizer's method that applies gradients, for `shadowed`."""
    return choose(keras_2=_observed_update_2, keras_3=_observed_update_3)(optimizer, observe)


def _observed_update_3(optimizer: Any, observe: UpdateObserver) -> Shadow:
    update = optimizer.apply

    def apply(grads: Any, trainable_variables: Any = None) -> Any:
        grads = list(grads)
        known = trainable_variables is None
        variables = trained_variables(optimizer) if known else list(trainable_variables)
        given = None if known else variables
        return observe(grads, variables, lambda: update(grads, given))

    return optimizer, "apply", apply


def _observed_update_2(optimizer: Any, observe: UpdateObserver) -> Shadow:
    update = optimizer.apply_gradients

    def apply_gradients(grads_and_vars: Any, *arguments: Any, **named: Any) -> Any:
        pairs = list(grads_and_vars)
        grads, variables = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        return observe(grads, variables, lambda: update(pairs, *arguments, **named))

    return optimizer, "apply_gradients", apply_gradients


@stands_on(
    "jax_model._get_state_sharding_spec",
    why="a model does not say publicly how the outputs of its step are placed on devices",
    versions="Keras 3.0 to 3.15",
    without="under `keras.distribution`, the gradients of the training's steps are left out",
)
def extended_shardings(model: Any, more: list[Any]) -> Shadow | None:
    """Returns what has a model's step return more values beside the optimizer's, for `shadowed`.

    Args:
        model: A model that trains on JAX under `keras.distribution`.
        more: How each of the values is placed.

    Returns:
        None where the model has no such method.
    """
    own = getattr(model, "_get_state_sharding_spec", None)
    if own is None:
        say_missing(extended_shardings)
        return None

    def shardings() -> Any:
        trainable, others, optimizer, metrics = own()
        return trainable, others, [*optimizer, *more], metrics

    return model, "_get_state_sharding_spec", shardings
