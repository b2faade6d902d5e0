"""The model of the best epoch: a file of the run, and an artifact."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Final

import wandb

from wk_checkpoint import CheckpointError, WandbModelCheckpoint
from wk_checkpoint.checkpoint import Checkpoint
from wk_checkpoint.formats import format_for
from wk_checkpoint.ongoing_fit import OngoingFit
from wk_checkpoint.storage.storage import absolute
from wk_core.description import in_a_line
from wk_core.metric_direction import Direction

# The longest name that W&B takes has 128 characters.
_LONGEST_RUN_NAME: Final = 128 - len("model-")
_FILE: Final = {False: "model-best.keras", True: "model-best.weights.h5"}
# What goes wrong around a model, as on a full disk; all else is the model's own.
_WORLD: Final = (OSError, MemoryError, wandb.Error)


class BestModel(WandbModelCheckpoint):
    """Saves the model of those epochs that somebody else has found to be the best.

    It goes to the file `model-best` of the run, with the ending of its format, and to the artifact
    `model-<run name>`. A model that Keras cannot save as a whole, as one with a layer that has no
    configuration, does not end the training: its weights are saved instead, or nothing, which is
    said once.

    Args:
        run: The run.
        owner: The callback that this is a part of, whose state is saved with the model.
        monitor: The metric that says which model is the best.
        weights_only: Whether to save weights and optimizer state without the architecture.
        verbose: 1 says what is saved; 0 is silent.
    """

    _epochs_go_on: ClassVar[bool] = False  # as in the rows and the summary of `WandbCallback`

    def __init__(
        self, run: wandb.Run, owner: Any, *, monitor: str, weights_only: bool, verbose: int
    ) -> None:
        super().__init__(
            Path(run.dir, _FILE[weights_only]),
            monitor=monitor,
            verbose=verbose,
            save_weights_only=weights_only,
            run=run,
            artifact=f"model-{_acceptable(run.name or run.id)}",
        )
        self._owner = owner
        self._asked_weights_only = weights_only
        self._refused: Any = None  # the model that cannot be saved as it was asked for
        self._is_given_up = False

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Starts afresh; says so where the model cannot be saved as it was asked for."""
        if self._refused is not self.model:
            self._refused, self._is_given_up = None, False
            self._save_to(weights_only=self._asked_weights_only)
        obstacle = self._obstacle(lambda: super(BestModel, self).on_train_begin(logs))
        if obstacle is not None:
            self._do_with_less(obstacle)

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Waits until everything is saved."""
        obstacle = self._obstacle(lambda: super(BestModel, self).on_train_end(logs))
        if obstacle is not None:
            self._give_up(obstacle)

    def save(self, epoch: int, logs: Mapping[str, Any], direction: Direction) -> None:
        """Has the model saved, at the end of an epoch that is better than all before it."""
        if self._is_given_up:
            return
        self._save_as_best(epoch, logs, direction)

    def _save_pending(self, fit: OngoingFit) -> None:
        """Saves what is due; where the whole model cannot be saved, its weights."""
        pending = fit.pending
        obstacle = self._obstacle(lambda: super(BestModel, self)._save_pending(fit))
        if obstacle is not None:
            self._do_with_less(obstacle, pending)

    def _obstacle(self, task: Callable[[], None]) -> BaseException | None:
        """Runs a task; returns what it is about the model that it fails for, None for nothing."""
        try:
            task()
        except Exception as error:
            cause = error.cause if isinstance(error, CheckpointError) else error
            if isinstance(cause, _WORLD):
                raise
            self._session.close()  # what it would say comes from the same cause
            self._refused = self.model
            return cause
        return None

    def _do_with_less(self, obstacle: BaseException, pending: Checkpoint | None = None) -> None:
        """Turns from the whole model to its weights, and from its weights to nothing."""
        if self.save_weights_only:
            self._give_up(obstacle)
            return
        self._save_to(weights_only=True)
        fit = self._session.planner.fit
        if pending is not None:
            path = self.filepath
            fit.pending = replace(pending, path=absolute(path), given_path=path)
        another = self._obstacle(lambda: super(BestModel, self)._save_pending(fit))
        if another is not None:
            self._give_up(another)
            return
        wandb.termwarn(
            f"WandbCallback: {self.model.name!r} cannot be saved as a whole model: "
            f"{in_a_line(obstacle)} Its weights are saved instead, as {_FILE[True]!r}."
        )

    def _give_up(self, obstacle: BaseException) -> None:
        self._is_given_up = True
        wandb.termwarn(
            f"WandbCallback: {self.model.name!r} cannot be saved: {in_a_line(obstacle)} Training "
            "goes on; its best epoch is noted without a model."
        )

    def _save_to(self, *, weights_only: bool) -> None:
        self.save_weights_only = weights_only
        self.filepath = str(Path(self._session.run.dir, _FILE[weights_only]))
        self._settings.format = format_for(self.filepath, weights_only=weights_only)

    def _saved_callbacks(self) -> list[Any]:
        return [self._owner] if self._session.siblings is None else super()._saved_callbacks()


def _acceptable(name: str) -> str:
    """Returns a name without the characters that W&B refuses in that of an artifact."""
    return re.sub(r"[^a-zA-Z0-9_.-]+", "-", name)[:_LONGEST_RUN_NAME]
