"""The model of the best epoch, as a file of the run and an artifact."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

import wandb

from wk_checkpoint import CheckpointError, WandbModelCheckpoint
from wk_checkpoint.checkpoint import Checkpoint
from wk_checkpoint.formats import format_for
from wk_checkpoint.ongoing_fit import OngoingFit
from wk_core.description import in_a_line
from wk_core.monitor import Direction

# W&B accepts names of up to 128 characters.
_LONGEST_RUN_NAME: Final = 128 - len("model-")
_FILE: Final = {False: "model-best.keras", True: "model-best.weights.h5"}
# Errors of the environment, as a full disk. All others are the model's own.
_ENVIRONMENT_ERRORS: Final = (OSError, MemoryError, wandb.Error)


class BestModel(WandbModelCheckpoint):
    """Saves the model of the epochs that its owner judges to be the best.

    The model goes to the file `model-best` of the run, with its format's extension, and to the
    artifact `model-<run name>`. If Keras cannot save the whole model, for example because a layer
    has no configuration, training goes on: this saves its weights instead, or nothing if they
    cannot be saved either, and warns once.

    Args:
        run: The run.
        owner: The callback that owns this one, whose state is saved with the model.
        monitor: The metric that decides which model is the best.
        weights_only: Whether to save weights and optimizer state without the architecture.
        verbose: 1 prints what is saved; 0 is silent.
    """

    _epochs_go_on: ClassVar[bool] = False  # `WandbCallback` numbers epochs as `fit` does

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
        self._wants_weights_only = weights_only
        self._failed_model: Any = None  # cannot be saved in the requested way
        self._saves_nothing = False

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Tries the requested way again for a new model, and warns if it fails."""
        if self._failed_model is not self.model:
            self._failed_model, self._saves_nothing = None, False
            self._save_to(weights_only=self._wants_weights_only)
        error = self._error_of_model(lambda: super(BestModel, self).on_train_begin(logs))
        if error is not None:
            self._fall_back(error)

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Waits until everything is saved."""
        error = self._error_of_model(lambda: super(BestModel, self).on_train_end(logs))
        if error is not None:
            self._stop_saving(error)

    def save(self, epoch: int, logs: Mapping[str, Any], direction: Direction) -> None:
        """Saves the model at the end of an epoch that is better than all before it."""
        if self._saves_nothing:
            return
        self._save_as_best(epoch, logs, direction)

    def _save_pending(self, fit: OngoingFit) -> None:
        """Saves the pending checkpoint, or its weights if the whole model cannot be saved."""
        pending = fit.pending
        error = self._error_of_model(lambda: super(BestModel, self)._save_pending(fit))
        if error is not None:
            self._fall_back(error, pending)

    def _error_of_model(self, task: Callable[[], None]) -> BaseException | None:
        """Runs a task; returns the error if the model causes it, raises other errors."""
        try:
            task()
        except Exception as error:
            cause = error.cause if isinstance(error, CheckpointError) else error
            if isinstance(cause, _ENVIRONMENT_ERRORS):
                raise
            self._session.close()  # its own error would have the same cause
            self._failed_model = self.model
            return cause
        return None

    def _fall_back(self, error: BaseException, pending: Checkpoint | None = None) -> None:
        """Saves weights instead of the whole model, or nothing instead of weights."""
        if self.save_weights_only:
            self._stop_saving(error)
            return
        self._save_to(weights_only=True)
        planner = self._session.planner
        if pending is not None:
            planner.fit.pending = planner.checkpoint(pending.step, pending.monitored)
        second = self._error_of_model(lambda: super(BestModel, self)._save_pending(planner.fit))
        if second is not None:
            self._stop_saving(second)
            return
        wandb.termwarn(
            f"WandbCallback: {self.model.name!r} cannot be saved as a whole model: "
            f"{in_a_line(error)} Its weights are saved instead, as {_FILE[True]!r}."
        )

    def _stop_saving(self, error: BaseException) -> None:
        self._saves_nothing = True
        wandb.termwarn(
            f"WandbCallback: {self.model.name!r} cannot be saved: {in_a_line(error)} Training "
            "goes on; its best epoch is noted without a model."
        )

    def _save_to(self, *, weights_only: bool) -> None:
        self.save_weights_only = weights_only
        self.filepath = str(Path(self._session.run.dir, _FILE[weights_only]))
        self._settings.format = format_for(self.filepath, weights_only=weights_only)

    def _saved_callbacks(self) -> list[Any]:
        return [self._owner] if self._session.siblings is None else super()._saved_callbacks()


def _acceptable(name: str) -> str:
    """Returns a name without the characters that W&B refuses in an artifact's name."""
    return re.sub(r"[^a-zA-Z0-9_.-]+", "-", name)[:_LONGEST_RUN_NAME]
