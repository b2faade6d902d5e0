"""TensorFlow, imported on use, with an error that names the package to install."""

import operator
from pathlib import Path
from typing import Any

from wk_checkpoint.errors import MissingTensorFlowError

__all__ = ["checked_options", "saved_model_error", "tensorflow"]


def tensorflow(feature: str) -> Any:
    """Returns the module `tensorflow`.

    Args:
        feature: The feature that needs it, for the error.

    Raises:
        MissingTensorFlowError: If it is not installed.
    """
    try:
        import tensorflow
    except ImportError as error:
        raise MissingTensorFlowError(feature) from error
    return tensorflow


def checked_options(options: Any, accepted: str, feature: str) -> Any:
    """Returns the options for one of TensorFlow's writers, after a check of their class.

    Args:
        options: The user's options, or None.
        accepted: The name of the class, such as `"tf.saved_model.SaveOptions"`.
        feature: The feature that needs TensorFlow, for the error.

    Raises:
        MissingTensorFlowError: If TensorFlow is not installed.
        TypeError: If the options are of another class.
    """
    tf = tensorflow(feature)
    if options is not None and not isinstance(
        options, operator.attrgetter(accepted.removeprefix("tf."))(tf)
    ):
        raise TypeError(f"`options` must be {accepted} here, or None. Received: {options!r}")
    return options


def saved_model_error(model: Any, path: Path) -> Exception | None:
    """Returns the error with which TensorFlow runs an exported model on zeros; None if it runs.

    A model whose inputs are unknown is not run.

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
