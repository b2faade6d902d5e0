"""The architecture of a model as text, which a checkpoint of a whole model holds."""

from typing import Any

from wk_checkpoint.errors import UnserializableModelError
from wk_core.keras_saving import serialized_config

__all__ = ["serialized"]


def serialized(model: Any) -> str:
    """Returns the JSON of a model's architecture and compilation.

    Raises:
        UnserializableModelError: If Keras cannot write it down, so that nobody can save the model
            as a whole.
    """
    try:
        return serialized_config(model)
    except (NotImplementedError, TypeError, ValueError) as error:
        raise UnserializableModelError(model.name, error) from error
