"""TensorFlow, where it is needed: imported on use, with an error that says what to install."""

import operator
from typing import Any

from wk_checkpoint.errors import MissingTensorFlowError

__all__ = ["checked_options", "tensorflow"]


def tensorflow(feature: str) -> Any:
    """Returns the module `tensorflow`.

    Args:
        feature: What needs it, for the error.

    Raises:
        MissingTensorFlowError: If it is not installed.
    """
    try:
        import tensorflow
    except ImportError as error:
        raise MissingTensorFlowError(feature) from error
    return tensorflow


def checked_options(options: Any, accepted: str, feature: str) -> Any:
    """Returns options for one of TensorFlow's writers, if they are of the right class.

    Args:
        options: What the user gave, or None.
        accepted: The class's name, as `"tf.saved_model.SaveOptions"`.
        feature: What needs TensorFlow, for the error.

    Raises:
        MissingTensorFlowError: If TensorFlow is not installed.
        TypeError: If they are not of the class.
    """
    tf = tensorflow(feature)
    if options is not None and not isinstance(
        options, operator.attrgetter(accepted.removeprefix("tf."))(tf)
    ):
        raise TypeError(f"`options` must be {accepted} here, or None. Received: {options!r}")
    return options
