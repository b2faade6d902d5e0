"""Deciding at the end of each batch and epoch whether a checkpoint is taken."""

from collections.abc import Callable, Mapping
from typing import Any

import wandb

from wk_checkpoint.checkpoint import Checkpoint, CheckpointStep
from wk_checkpoint.epoch_count import EpochCount
from wk_checkpoint.monitor import MonitorResult
from wk_checkpoint.ongoing_fit import OngoingFit, OngoingFits
from wk_checkpoint.preemption import Preemption
from wk_checkpoint.progress import Progress
from wk_checkpoint.storage.storage import absolute
from wk_core.compat.keras.flavour import EXTENDABLE_LISTS
from wk_core.compat.keras.hooks import last_batch_finder
from wk_core.compat.keras.optimizers import trained_batches
from wk_core.compat.keras.training import sync_state
from wk_core.logs import numbers_in
from wk_core.monitor import Direction

__all__ = ["CheckpointPlanner"]


class CheckpointPlanner:
    """Decides which checkpoints are taken, at the callback's own turn among the callbacks.

    A checkpoint becomes pending in its `fit`. It is saved after the hooks of all other callbacks,
    which may still change the model; in Keras 2, and in a user's own loop, at once.

    Args:
        callback: The callback, of which it reads Keras' public attributes.
        run: The run.
        progress: What the callback keeps from `fit` to `fit`.
        continue_epochs: Whether the numbers of epochs go on in the run's next `fit`.
        preemption: The handler of SIGTERM; None without one.
        save_pending: Saves the pending checkpoint of a `fit`.
        await_judgement: Waits until it is known whether the last checkpoint is finite.
        say: Called with messages for the user.
    """

    def __init__(
        self,
        callback: Any,
        run: wandb.Run,
        progress: Progress,
        *,
        continue_epochs: bool,
        preemption: Preemption | None,
        save_pending: Callable[[OngoingFit], None],
        await_judgement: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        self.fits = OngoingFits()
        self.caller: Any = None
        self._callback = callback
        self._run = run
        self._progress = progress
        self._continue_epochs = continue_epochs
        self._preemption = preemption
        self._save_pending = save_pending
        self._await_judgement = await_judgement
        self._say = say

    @property
    def is_preempted(self) -> bool:
        """Whether the process has to end."""
        return self._preemption is not None and self._preemption.requested

    @property
    def fit(self) -> OngoingFit:
        """The present `fit`, which begins now if a user's own loop called no hook to begin it."""
        return self.fits.current or self.begin_fit()

    def begin_fit(self) -> OngoingFit:
        """Begins a `fit` of the callback's present model."""
        callback, progress = self._callback, self._progress
        model = callback.model
        epochs = EpochCount(
            self._run, model, progress.take_resumed_epochs, goes_on=self._continue_epochs
        )
        steps = (callback.params or {}).get("steps")
        fit = OngoingFit(model, self.caller, steps, epochs, progress.interval)
        return self.fits.begin(fit)

    def begin_epoch(self, epoch: int) -> None:
        """Begins an epoch, by Keras' number."""
        fit = self.fits.at_epoch() or self.fit
        fit.epoch, fit.last_end = epoch, None
        fit.find_last = last_batch_finder(fit.model)
        fit.epochs.begin(epoch)
        if fit.interval is not None:
            fit.interval.start_epoch()

    def end_batch(self, batch: int, logs: Mapping[str, Any] | None) -> None:
        """Decides at the end of a batch, by Keras' number."""
        fit = self.fit
        batch = fit.find_last(batch)
        # Those of the epoch that a restored training has skipped.
        trained_before = getattr(fit.caller, "trained_before", 0)
        if fit.steps is not None:
            # With several batches an execution Keras counts past the last one of an epoch.
            batch = min(batch, fit.steps - trained_before - 1)
        fit.last_batch, fit.last_end = (trained_before + batch, logs), None
        is_due = fit.interval is not None and fit.interval.is_due_after(batch)
        if is_due or self.is_preempted:
            self._decide(fit, *fit.last_batch)

    def end_test_batch(self) -> None:
        """Decides on the last batch of training, if the process has to end during validation."""
        if self.is_preempted and self.fit.last_batch is not None:
            self._decide(self.fit, *self.fit.last_batch)

    def end_epoch(
        self, epoch: int, logs: Mapping[str, Any] | None, *, best_by: Direction | None = None
    ) -> None:
        """Decides at the end of an epoch.

        Args:
            epoch: Keras' number of the epoch.
            logs: Keras' logs.
            best_by: The direction of the metric, if the model is known to be the best.
        """
        fit = self.fits.at_epoch() or self.fit
        fit.epoch, fit.last_batch = epoch, None
        fit.epochs.end(epoch)
        if self._progress.interval is None or self._preemption is not None:
            self._decide(fit, None, logs, best_by=best_by)

    def checkpoint(
        self, step: CheckpointStep, monitored: MonitorResult, *, only_as_best: bool = False
    ) -> Checkpoint:
        """Returns the checkpoint of a step, with its path filled in.

        Args:
            step: The step.
            monitored: The monitored metric at that step.
            only_as_best: Whether it is saved for no other reason than that it is the best.
        """
        callback, files = self._callback, self._progress.files
        # A process that has to end cannot wait for the metrics in the path.
        path = step.fill(callback.filepath, allow_unknown=self.is_preempted)
        owner = None if files is None else files.owner
        return Checkpoint(
            absolute(path),
            path,
            step,
            monitored,
            callback.monitor,
            owner,
            only_as_best=only_as_best,
        )

    def _decide(
        self,
        fit: OngoingFit,
        batch: int | None,
        logs: Mapping[str, Any] | None,
        *,
        best_by: Direction | None = None,
    ) -> None:
        step = self._step(fit, batch, logs)
        if step.global_step is not None and step.global_step == fit.put_back_to:
            return  # No batch was trained since: this would be the same checkpoint once more.
        if self._progress.interval is not None and batch is None:
            fit.last_end = (step, MonitorResult())  # Checkpoints are due by batches only.
        else:
            monitored = self._check(step, fit.model, best_by)
            fit.last_end = (step, monitored)
            only_best = self._callback.save_best_only
            if not only_best or monitored.improves or not monitored.decides:
                as_best = best_by is not None or (only_best and monitored.decides)
                fit.pending = self.checkpoint(step, monitored, only_as_best=as_best)
        if fit.caller is None or not EXTENDABLE_LISTS:
            self._save_pending(fit)

    def _check(self, step: CheckpointStep, model: Any, best_by: Direction | None) -> MonitorResult:
        self._await_judgement()
        monitor, before = self._progress.monitor, self._callback.best
        if best_by is None:
            monitored = monitor.check(step.logs, model)
        else:
            monitored, before = monitor.accept(step.logs, model, best_by), None
        self._say(monitored.describe(step.alias, self._callback.monitor, before))
        return monitored

    def _step(
        self, fit: OngoingFit, batch: int | None, logs: Mapping[str, Any] | None
    ) -> CheckpointStep:
        sync_state(fit.model)
        numbers = fit.epochs.numbers(fit.epoch)
        return CheckpointStep(
            numbers["run"],
            batch,
            trained_batches(fit.model),
            numbers_in(logs or {}),
            epoch_of_fit=fit.epoch,
            epoch_of_model=numbers["model"],
            random_of_epoch=None if batch is None else fit.random_of_epoch,
        )
