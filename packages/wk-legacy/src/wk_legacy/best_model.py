"""The model of the best epoch: a file of the run, and an artifact."""

import operator
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import wandb

from wk_checkpoint import WandbModelCheckpoint
from wk_core.metric_direction import Direction

# The longest name that W&B takes has 128 characters.
_LONGEST_RUN_NAME: Final = 128 - len("model-")


class BestModel(WandbModelCheckpoint):
    """Saves the model of those epochs that somebody else has found to be the best.

    It goes to the file `model-best` of the run, with the ending of its format, and to the artifact
    `model-<run name>`.

    Args:
        run: The run.
        owner: The callback that this is a part of, whose state is saved with the model.
        monitor: The metric that says which model is the best.
        weights_only: Whether to save weights and optimizer state without the architecture.
        verbose: 1 says what is saved; 0 is silent.
    """

    def __init__(
        self, run: wandb.Run, owner: Any, *, monitor: str, weights_only: bool, verbose: int
    ) -> None:
        super().__init__(
            Path(run.dir, "model-best.weights.h5" if weights_only else "model-best.keras"),
            monitor=monitor,
            verbose=verbose,
            save_weights_only=weights_only,
            run=run,
            artifact=f"model-{_acceptable(run.name or run.id)}",
        )
        self._owner = owner

    def save(self, epoch: int, logs: Mapping[str, Any], direction: Direction) -> None:
        """Has the model saved, at the end of an epoch that is better than all before it."""
        self.monitor_op = operator.lt if direction == "min" else operator.gt
        self.best = None
        self.on_epoch_end(epoch, logs)

    def _known_callbacks(self) -> list[Any]:
        return [self._owner] if self._callbacks is None else super()._known_callbacks()


def _acceptable(name: str) -> str:
    """Returns a name without the characters that W&B refuses in that of an artifact."""
    return re.sub(r"[^a-zA-Z0-9_.-]+", "-", name)[:_LONGEST_RUN_NAME]
