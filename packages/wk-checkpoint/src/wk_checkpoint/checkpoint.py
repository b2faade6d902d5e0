"""One checkpoint: when it is taken, how good it is, and what it is called for that."""

import math
import re
import time
from dataclasses import dataclass
from typing import Any, Final

from wk_checkpoint.formats import Format
from wk_checkpoint.moment import Moment
from wk_checkpoint.monitoring import Judgement
from wk_core.keras import backend, keras

__all__ = ["OWN_ALIAS", "SAVED_BY", "Checkpoint"]

OWN_ALIAS: Final = re.compile(r"latest|best|epoch_\d+(_batch_\d+)?|v\d+")
"""What wk or the server calls a version; whatever else it is called, somebody else did."""


SAVED_BY: Final = "wk-checkpoint"
"""The value of `saved_by` in a version's metadata: retention deletes no other ones."""


@dataclass(frozen=True)
class Checkpoint:
    """What is to be saved, and what it will be called.

    Attributes:
        path: Where it goes.
        moment: When it is taken.
        judgement: What the monitored metric says of it.
        monitor: The name of that metric.
    """

    path: str
    moment: Moment
    judgement: Judgement
    monitor: str

    @property
    def aliases(self) -> list[str]:
        """What its version is called."""
        return ["latest", self.moment.alias, *(["best"] if self.judgement.is_best else [])]

    def metadata(self, format: Format) -> dict[str, Any]:  # noqa: A002  Keras' own word for it
        """Returns what its version says of itself."""
        moment, judgement = self.moment, self.judgement
        return {
            "saved_by": SAVED_BY,
            "epoch": moment.epoch,
            "batch": moment.batch,
            "global_step": moment.global_step,
            "metrics": {name: _finite(value) for name, value in moment.logs.items()},
            "monitor": self.monitor,
            "monitored_value": _finite(judgement.value),
            "score": _finite(judgement.score),
            "is_best": judgement.is_best,
            "format": format.name,
            "whole_model": format.whole,
            "backend": backend(),
            "keras_version": keras.__version__,
            "saved_at": time.time(),
        }


def _finite(value: float | None) -> float | str | None:
    """JSON has no NaN and no infinity: these become text."""
    return value if value is None or math.isfinite(value) else str(value)
