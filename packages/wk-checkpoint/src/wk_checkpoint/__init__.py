"""Keras checkpoints in Weights & Biases that do not stop training, and resume bit for bit."""

from wk_checkpoint.errors import (
    CheckpointError,
    MissingTensorFlowError,
    UnserializableModelError,
)
from wk_checkpoint.model_checkpoint import WandbModelCheckpoint
from wk_checkpoint.resuming.restore import restore
from wk_checkpoint.retention import Retention
from wk_checkpoint.state.training_state import TrainingState
from wk_core.state.rollback import RestoredCheckpoint, RollbackError

__all__ = [
    "CheckpointError",
    "MissingTensorFlowError",
    "RestoredCheckpoint",
    "Retention",
    "RollbackError",
    "TrainingState",
    "UnserializableModelError",
    "WandbModelCheckpoint",
    "restore",
]
