"""TensorFlow, where it is needed: imported on use, with an error that says what to install."""

import operator
from pathlib import Path
from typing import Any

from wk_checkpoint.errors import MissingTensorFlowError

__all__ = ["checked_options", "saved_model_obstacle", "tensorflow"]


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


def saved_model_obstacle(model: Any, path: Path) -> Exception | None:
    """Returns why TensorFlow cannot run an exported model; None where it can.

    It is called with an example of zeros. A model of which no example is known is not tried.

    Args:
        model: The Keras model that was exported.
        path: The SavedModel directory.
    """
    tf = tensorflow("A SavedModel")
    inputs = getattr(model, "inputs", None) or []
    try:
        signature = tf.saved_model.load(str(path)).signatures["serving_default"]
        _, named = signature.structured_input_signature
        if len(named) != len(inputs):
            return None
        example = {
            name: tf.zeros([1 if size is None else size for size in spec.shape], spec.dtype)
            for name, spec in named.items()
        }
        signature(**example)
    except tf.errors.OpError as error:
        found: Exception = error
        return found
    return None
