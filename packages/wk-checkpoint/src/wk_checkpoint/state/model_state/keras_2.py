"""The state of a Keras 2 model: that of its optimizer, where Keras' files do not hold it.

Only the `.h5` file of a whole model holds Keras' older optimizers (`tf.keras.optimizers.legacy`),
and they build their variables in a way of their own.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wk_checkpoint.snapshot.snapshot import Snapshot
from wk_core.compat.keras.optimizers import build_optimizer, find_optimizers, unwrap_optimizer
from wk_core.compat.keras.saved_objects import SavedObject

__all__ = ["prepare", "record", "restore_extras"]


def record(
    model: Any,
    objects: Sequence[SavedObject],  # noqa: ARG001  Keras 3 needs them
    snapshot: Snapshot | None,  # noqa: ARG001  the same
) -> dict[str, Any]:
    """Returns the optimizer's state if no file of Keras holds it, and the names of others."""
    main = _optimizer(model)
    others = [place for place in find_optimizers(model) if place != "optimizer"]
    is_held = main is None or (hasattr(main, "build") and unwrap_optimizer(main) is main)
    values = [] if is_held else [np.array(each) for each in _variables(unwrap_optimizer(main))]
    return {"optimizer": values, "other_optimizers": others}


def prepare(model: Any, state: Mapping[str, Any], source: str) -> None:  # noqa: ARG001  as Keras 3's
    """Builds the optimizer's variables, unless it is built."""
    optimizer = unwrap_optimizer(_optimizer(model))
    if optimizer is not None:
        build_optimizer(optimizer, model.trainable_variables)


def restore_extras(model: Any, state: Mapping[str, Any], source: str) -> None:
    """Restores the optimizer's state; warns of other optimizers, which cannot be restored.

    Raises:
        ValueError: If the model was compiled with another optimizer.
    """
    optimizer = unwrap_optimizer(_optimizer(model))
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


def _optimizer(model: Any) -> Any:
    return getattr(model, "optimizer", None)


def _variables(optimizer: Any) -> list[Any]:
    """Returns the variables of an optimizer, of Keras 2's older or newer classes."""
    return list(optimizer.variables if hasattr(optimizer, "build") else optimizer.weights)
