"""What is said where a callback and a model are not of the same Keras."""

from typing import Any

from wk_core.compat.keras.flavour import LEGACY, keras

__all__ = ["check_flavour", "other_flavour_calls"]


def check_flavour(callback: Any, model: Any) -> None:
    """Checks that a model is of the Keras that this process uses.

    Raises:
        TypeError: If it is of the other one.
    """
    other = "keras" if LEGACY else "tf_keras"
    if isinstance(model, keras.Model):
        return
    if any(f"{base.__module__}.".startswith(f"{other}.") for base in type(model).__mro__):
        raise _wrong_flavour(callback)


def other_flavour_calls(callback: Any, name: str) -> None:
    """Checks whether a callback is asked for what only those of Keras 2 have.

    Its `fit` asks before it hands over the model.

    Raises:
        TypeError: If it is.
    """
    if not LEGACY and name.startswith("_implements_") and name.endswith("_batch_hooks"):
        raise _wrong_flavour(callback)


def _wrong_flavour(callback: Any) -> TypeError:
    name = type(callback).__name__
    if LEGACY:
        return TypeError(
            f"{name} is a callback of Keras 2 here, since TF_USE_LEGACY_KERAS is set, but the "
            "model is one of Keras 3: make it with `tf_keras`, or take TF_USE_LEGACY_KERAS out of "
            "the environment before the process starts."
        )
    return TypeError(
        f"{name} is a callback of Keras 3 here, but the model is one of `tf_keras`, which is Keras "
        "2: set TF_USE_LEGACY_KERAS=1 in the environment before the process starts, or make the "
        "model with `keras`."
    )
