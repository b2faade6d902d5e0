"""One checkpoint: its step in the training, its rank among the others, its names and metadata."""

import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import wandb

from wk_checkpoint import filepath
from wk_checkpoint.formats import Format
from wk_checkpoint.monitor import MonitorResult
from wk_core.artifacts import check_name
from wk_core.compat.keras.flavour import backend, keras

__all__ = [
    "ARTIFACT_TYPE",
    "NON_FINITE",
    "OWN_ALIAS",
    "Checkpoint",
    "CheckpointStep",
    "artifact_name",
]

ARTIFACT_TYPE: Final = "model"

NON_FINITE: Final = "non_finite"
"""The alias of the last version with values that are not finite."""

OWN_ALIAS: Final = re.compile(rf"latest|best|{NON_FINITE}|epoch_\d+(_batch_\d+)?|v\d+")
"""The aliases that wk or the server gives to versions; any other alias comes from the user."""

_SAVED_BY: Final = "wk-checkpoint"


def artifact_name(run: wandb.Run, given: str | None = None) -> str:
    """Returns the name of the artifact for a run's checkpoints.

    Raises:
        ValueError: If W&B does not accept the name.
    """
    name = f"run_{run.id}_model" if given is None else given
    return check_name(name, what="WandbModelCheckpoint: the artifact")


@dataclass(frozen=True)
class CheckpointStep:
    """The step of a training at which a checkpoint is taken; all numbers count from 0.

    Keras numbers the epochs of each `fit` from its `initial_epoch`. The numbers of a run go on in
    its next `fit`, and so do those of a model's training.

    Attributes:
        epoch: The number of the epoch in the run.
        batch: The number of the batch that has just ended; None at the end of the epoch.
        global_step: The number of batches on which the model has been trained; None if unknown.
        logs: Keras' logs: metrics by name.
        epoch_of_fit: Keras' number of the epoch; None if it equals `epoch`.
        epoch_of_model: The number of the epoch in the model's training; None if it equals `epoch`.
        random_of_epoch: The state of the random generators when the data of the epoch began to be
            iterated over; None at the end of the epoch.
    """

    epoch: int
    batch: int | None
    global_step: int | None
    logs: Mapping[str, float] = field(default_factory=dict)
    epoch_of_fit: int | None = None
    epoch_of_model: int | None = None
    random_of_epoch: Mapping[str, Any] | None = None

    @property
    def alias(self) -> str:
        """The artifact alias of this step, such as `"epoch_3"` or `"epoch_3_batch_99"`."""
        at_batch = "" if self.batch is None else f"_batch_{self.batch}"
        return f"epoch_{self.epoch}{at_batch}"

    @property
    def next_epoch_of_model(self) -> int:
        """The epoch with which the model's training goes on after this step."""
        epoch = self.epoch if self.epoch_of_model is None else self.epoch_of_model
        return epoch + (self.batch is None)

    def fill(self, template: str, *, allow_unknown: bool = False) -> str:
        """Returns a path with its placeholders filled in; epoch and batch count from 1, as Keras'.

        Args:
            template: The path.
            allow_unknown: Whether to fill in `nan` for unknown metrics.

        Raises:
            KeyError: If a placeholder has no value.
        """
        epoch = self.epoch if self.epoch_of_fit is None else self.epoch_of_fit
        counts = {"epoch": epoch + 1}
        if self.batch is not None:
            counts["batch"] = self.batch + 1
        return filepath.fill(template, counts, self.logs, allow_unknown=allow_unknown)


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint that is to be saved.

    Attributes:
        path: Its absolute path.
        given_path: Its path as the user gave it, with the placeholders filled in.
        step: The step of the training at which it is taken.
        monitored: The monitored metric at that step.
        monitor: The name of that metric.
        owner: An id of the callback, if there is a retention rule.
        is_best: Whether it is better than all earlier versions.
        only_as_best: Whether it is saved for no other reason than that it is the best.
        non_finite: The names of the weights that hold values that are not finite.
    """

    path: str
    given_path: str
    step: CheckpointStep
    monitored: MonitorResult
    monitor: str
    owner: str | None = None
    is_best: bool = False
    only_as_best: bool = False
    non_finite: tuple[str, ...] = ()

    @property
    def is_finite(self) -> bool:
        """Whether all its values are finite, as far as it was looked at."""
        return not self.non_finite

    @property
    def aliases(self) -> list[str]:
        """The aliases of its version: a broken model is neither the latest nor the best one."""
        if not self.is_finite:
            return [NON_FINITE, self.step.alias]
        return ["latest", self.step.alias, *(["best"] if self.is_best else [])]

    def metadata(self, format: Format) -> dict[str, Any]:  # noqa: A002  Keras' own word for it
        """Returns the metadata of its version."""
        step, monitored = self.step, self.monitored
        return {
            "saved_by": _SAVED_BY,
            "callback": self.owner,
            "epoch": step.epoch,
            "batch": step.batch,
            "global_step": step.global_step,
            "metrics": {name: _finite(value) for name, value in step.logs.items()},
            "monitor": self.monitor,
            "monitored_value": _finite(monitored.value),
            "score": _finite(monitored.score) if self.is_finite else None,
            "mode": monitored.mode,
            "is_best": self.is_best,
            "is_finite": self.is_finite,
            "format": format.name,
            "whole_model": format.whole,
            "backend": backend(),
            "keras_version": keras.__version__,
            "saved_at": time.time(),
        }


def _finite(value: float | None) -> float | str | None:
    """Returns NaN and infinities as text, since JSON has neither."""
    return value if value is None or math.isfinite(value) else str(value)
