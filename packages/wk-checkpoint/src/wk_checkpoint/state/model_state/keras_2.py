"""What a checkpoint has to know of a model so that the same one can be had back, on Keras 2.

Its older optimizers (`tf.keras.optimizers.legacy`) are in no file but the `.h5` of a whole model,
and have their own way to make their variables. See `model_state.py` for Keras 3.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wk_core.optimizers import find_optimizers, unwrap_optimizer

__all__ = ["prepare", "put_back_beside", "record"]


def record(model: Any) -> dict[str, Any]:
    """Returns what has to be known of a model beside what a format holds of it."""
    main = getattr(model, "optimizer", None)
    others = [place for place in find_optimizers(model) if place != "optimizer"]
    is_held = main is None or (hasattr(main, "build") and unwrap_optimizer(main) is main)
    values = [] if is_held else [np.array(each) for each in _variables(unwrap_optimizer(main))]
    return {"optimizer": values, "other_optimizers": others}


def prepare(model: Any, state: Mapping[str, Any], source: str) -> None:  # noqa: ARG001  as Keras 3's
    """Has the optimizer make its variables, where it has not yet."""
    optimizer = unwrap_optimizer(getattr(model, "optimizer", None))
    if hasattr(optimizer, "build"):
        if not getattr(optimizer, "built", False):
            optimizer.build(model.trainable_variables)
    elif optimizer is not None:
        optimizer._create_all_weights(model.trainable_variables)


def put_back_beside(model: Any, state: Mapping[str, Any], source: str) -> None:
    """Puts the optimizer's state back; says of which other one it is not known.

    Args:
        model: The model, with everything else put back.
        state: The training state, which has what `record` returned as `model`.
        source: Where it comes from, for errors.

    Raises:
        ValueError: If the model was compiled with another optimizer.
    """
    optimizer = unwrap_optimizer(getattr(model, "optimizer", None))
    values: Sequence[np.ndarray] = state["model"]["optimizer"]
    if optimizer is not None and values:
        try:
            optimizer.set_weights(values)
        except ValueError as error:
            raise ValueError(
                f"{source} was saved from a model that was compiled with another optimizer than "
                f"{model.name!r}: {error}"
            ) from error
    others = state["model"]["other_optimizers"]
    if others:
        warnings.warn(
            f"{source} holds no state of {', '.join(others)}: with Keras 2, only the optimizer of "
            "`compile` goes on.",
            stacklevel=3,
        )


def _variables(optimizer: Any) -> list[Any]:
    """Returns the variables of an optimizer of either family."""
    return list(optimizer.variables if hasattr(optimizer, "build") else optimizer.weights)
