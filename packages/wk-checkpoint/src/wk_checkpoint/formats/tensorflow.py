"""TensorFlow, imported on use, with an error that names the package to install."""

import operator
from pathlib import Path
from typing import Any, Final

from wk_checkpoint.errors import MissingTensorFlowError

__all__ = ["checked_options", "saved_model_error", "tensorflow"]

# What stands for an unknown size of an input: the second for a model that shrinks what it gets.
_UNKNOWN_SIZES: Final = (1, 64)


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


def saved_model_error(path: Path) -> Exception | None:
    """Returns the error with which TensorFlow runs a SavedModel on zeros; None if it runs.

    A SavedModel that takes arrays of any rank is not run.

    Args:
        path: The SavedModel directory.
    """
    tf = tensorflow("A SavedModel")
    found: Exception | None = None
    for size in _UNKNOWN_SIZES:
        try:
            _run_on_zeros(tf, path, size)
        except tf.errors.OpError as error:
            found = error
        else:
            return None
    return found


def _run_on_zeros(tf: Any, path: Path, size: int) -> None:
    served = tf.saved_model.load(str(path))  # whose variables live as long as this
    signature = served.signatures["serving_default"]
    _, inputs = signature.structured_input_signature
    if any(spec.shape.rank is None for spec in inputs.values()):
        return
    signature(
        **{
            name: tf.zeros([size if known is None else known for known in spec.shape], spec.dtype)
            for name, spec in inputs.items()
        }
    )
