"""The errors of this package; each class owns its message."""

import os

__all__ = [
    "CheckpointError",
    "MissingTensorFlowError",
    "SplitModelError",
    "UnserializableModelError",
]


class CheckpointError(RuntimeError):
    """A checkpoint could not be written or logged.

    Args:
        step: The alias of its step, such as `"epoch_3"`.
        path: Its path.
        cause: The error behind it.
        written: Whether the file is written, and only W&B does not have it.

    Attributes:
        cause: The error behind it. `fit` removes this error's own `__cause__`.
    """

    def __init__(
        self,
        step: str,
        path: str | os.PathLike[str],
        cause: BaseException,
        *,
        written: bool = False,
    ) -> None:
        what = (
            "is saved, but could not be logged to W&B"
            if written
            else "could not be saved; what was there before is as it was"
        )
        self.cause = cause
        super().__init__(
            f"Checkpoint {step} ({os.fspath(path)!r}) {what}: "
            # Not `repr(cause)`, which is empty for TensorFlow's errors.
            f"{type(cause).__name__}: {cause}"
        )


class SplitModelError(RuntimeError):
    """A model that is split over several processes cannot be saved.

    Args:
        reason: Why it has no snapshot.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(
            "The model is split over several processes, and can be saved from a snapshot only: "
            f"{reason}. Most models can be saved to a '.keras' or '.weights.h5' file."
        )


class UnserializableModelError(ValueError):
    """Keras cannot serialize the architecture of a model, and so cannot save the whole model.

    Args:
        model_name: The model's name.
        cause: Keras' error.

    Attributes:
        cause: Keras' error. `fit` removes this error's own `__cause__`.
    """

    def __init__(self, model_name: str, cause: Exception) -> None:
        self.cause = cause
        super().__init__(
            f"Model {model_name!r} cannot be saved as a whole: {type(cause).__name__}: {cause}\n"
            "Its weights can: give WandbModelCheckpoint `save_weights_only=True` and a `filepath` "
            "that ends in '.weights.h5'."
        )


class MissingTensorFlowError(ImportError):
    """A feature needs TensorFlow, which is not installed.

    Args:
        feature: The feature.
    """

    def __init__(self, feature: str) -> None:
        super().__init__(
            f"{feature} needs TensorFlow: install it with "
            '`pip install "wk-checkpoint[tensorflow]"`.'
        )
