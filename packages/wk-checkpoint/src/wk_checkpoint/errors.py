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
        moment: Which one it is, as `"epoch_3"`.
        path: Where it goes.
        cause: What went wrong.
        written: Whether it is in its place, and only W&B does not have it.

    Attributes:
        cause: What went wrong. `fit` cuts off the error's own `__cause__`.
    """

    def __init__(
        self,
        moment: str,
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
            f"Checkpoint {moment} ({os.fspath(path)!r}) {what}: "
            # Not its repr, which is empty for TensorFlow's errors.
            f"{type(cause).__name__}: {cause}"
        )


class SplitModelError(RuntimeError):
    """A model of which each process has a part cannot be put together to be saved.

    Args:
        obstacle: Why it has no snapshot.
    """

    def __init__(self, obstacle: str) -> None:
        super().__init__(
            "The model is split over several processes, and can be saved from a snapshot only: "
            f"{obstacle}. A '.keras' or '.weights.h5' file takes most models."
        )


class UnserializableModelError(ValueError):
    """The architecture of a model cannot be written down, so that it cannot be saved as a whole.

    Args:
        model_name: The model's name.
        cause: What Keras says of it.

    Attributes:
        cause: The same. `fit` cuts off the error's own `__cause__`.
    """

    def __init__(self, model_name: str, cause: Exception) -> None:
        self.cause = cause
        super().__init__(
            f"Model {model_name!r} cannot be saved as a whole: {type(cause).__name__}: {cause}\n"
            "Its weights can: give WandbModelCheckpoint `save_weights_only=True` and a `filepath` "
            "that ends in '.weights.h5'."
        )


class MissingTensorFlowError(ImportError):
    """Something needs TensorFlow, which is not installed.

    Args:
        feature: What needs it.
    """

    def __init__(self, feature: str) -> None:
        super().__init__(
            f"{feature} needs TensorFlow: install it with "
            '`pip install "wk-checkpoint[tensorflow]"`.'
        )
