"""One checkpoint: when it is taken, how good it is, and what it is called for that."""

import math
import re
import time
from dataclasses import dataclass
from typing import Any, Final

import wandb

from wk_checkpoint.formats import Format
from wk_checkpoint.monitor import Judgement
from wk_checkpoint.step import Moment
from wk_core.artifacts import check_name
from wk_core.keras import backend, keras

__all__ = ["ARTIFACT_TYPE", "OWN_ALIAS", "Checkpoint", "artifact_name"]

ARTIFACT_TYPE: Final = "model"

OWN_ALIAS: Final = re.compile(r"latest|best|epoch_\d+(_batch_\d+)?|v\d+")
"""What wk or the server calls a version; whatever else it is called, somebody else did."""

_SAVED_BY: Final = "wk-checkpoint"


def artifact_name(run: wandb.Run, given: str | None = None) -> str:
    """Returns the name of the artifact that a run's checkpoints are versions of.

    Raises:
        ValueError: If W&B refuses it.
    """
    name = f"run_{run.id}_model" if given is None else given
    return check_name(name, what="WandbModelCheckpoint: the artifact")


@dataclass(frozen=True)
class Checkpoint:
    """What is to be saved, and what it will be called.

    Attributes:
        path: Where it goes: the same place whatever becomes of the working directory.
        given: The same as the user has put it.
        moment: When it is taken.
        judgement: What the monitored metric says of it.
        monitor: The name of that metric.
        owner: What tells the callback, where retention is about what it has saved.
        is_best: Whether it is better than all versions before it.
    """

    path: str
    given: str
    moment: Moment
    judgement: Judgement
    monitor: str
    owner: str | None = None
    is_best: bool = False

    @property
    def aliases(self) -> list[str]:
        """What its version is called."""
        return ["latest", self.moment.alias, *(["best"] if self.is_best else [])]

    def metadata(self, format: Format) -> dict[str, Any]:  # noqa: A002  Keras' own word for it
        """Returns what its version says of itself."""
        moment, judgement = self.moment, self.judgement
        return {
            "saved_by": _SAVED_BY,
            "callback": self.owner,
            "epoch": moment.epoch,
            "batch": moment.batch,
            "global_step": moment.global_step,
            "metrics": {name: _finite(value) for name, value in moment.logs.items()},
            "monitor": self.monitor,
            "monitored_value": _finite(judgement.value),
            "score": _finite(judgement.score),
            "mode": judgement.mode,
            "is_best": self.is_best,
            "format": format.name,
            "whole_model": format.whole,
            "backend": backend(),
            "keras_version": keras.__version__,
            "saved_at": time.time(),
        }


def _finite(value: float | None) -> float | str | None:
    """JSON has no NaN and no infinity: these become text."""
    return value if value is None or math.isfinite(value) else str(value)
