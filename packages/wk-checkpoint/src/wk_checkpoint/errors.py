"""The errors of this package; each class owns its message."""

import os

__all__ = ["CheckpointError", "MissingTensorFlowError"]


class CheckpointError(RuntimeError):
    """A checkpoint could not be written or logged; the one before it is still whole.

    Args:
        path: Where the checkpoint should have gone.
        moment: Which one it is, as `"epoch_3"`.
        cause: What went wrong.
    """

    def __init__(self, path: str | os.PathLike[str], moment: str, cause: BaseException) -> None:
        super().__init__(
            f"Checkpoint {moment} could not be saved to {os.fspath(path)!r}: {cause!r}. What was "
            "there before is as it was."
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
