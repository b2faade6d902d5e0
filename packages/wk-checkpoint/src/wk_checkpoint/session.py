"""All that a callback has of one run: loggers, threads, hooks and its calls of `fit`."""

import os
import warnings
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import wandb

from wk_checkpoint.artifacts.version_logger import VersionLogger
from wk_checkpoint.checkpoint import Checkpoint, artifact_name
from wk_checkpoint.formats import Format
from wk_checkpoint.ongoing_fit import OngoingFit
from wk_checkpoint.planner import CheckpointPlanner
from wk_checkpoint.preemption import Preemption
from wk_checkpoint.progress import Progress
from wk_checkpoint.resuming.resumption import Resumption
from wk_checkpoint.retention import Retention
from wk_checkpoint.saver import CollectiveSaver, Saver
from wk_checkpoint.snapshot.recorder import requires_collective_save
from wk_checkpoint.state import random_state
from wk_checkpoint.state.last_good import LastGood
from wk_core.compat.keras.flavour import EXTENDABLE_LISTS
from wk_core.compat.keras.hooks import call_after_all, call_before_all, current_callback_list
from wk_core.process import this_process
from wk_core.run import close_before_finish, is_silent
from wk_core.state.rollback import RestoredCheckpoint, RollbackError

__all__ = ["CheckpointSession", "Settings", "await_fit"]


@dataclass
class Settings:
    """The arguments of a callback that Keras' own callback does not keep.

    Attributes:
        format: The format of its checkpoints.
        artifact: The artifact's name; None for that of the run.
        retention: The rule for what is kept; None keeps all.
        background: Whether a background thread writes.
        skip_when_busy: Whether to skip a checkpoint while the last one is being saved.
        preemption: Whether SIGTERM ends training.
        resume: Which checkpoint the first `fit` goes on from; None begins anew.
        continue_epochs: Whether the numbers of epochs go on in the run's next `fit`.
    """

    format: Format
    artifact: str | None
    retention: Retention | None
    background: bool
    skip_when_busy: bool
    preemption: bool
    resume: str | os.PathLike[str] | None
    continue_epochs: bool


class CheckpointSession:
    """A callback's work for one run.

    Args:
        callback: The callback, of which it reads Keras' public attributes.
        run: The run.
        settings: The callback's other arguments.
        progress: What the callback keeps from `fit` to `fit`.
        save_pending: Saves the pending checkpoint of a `fit`; the callback may handle its errors.

    Attributes:
        planner: Decides which checkpoints are taken.
        preemption: The handler of SIGTERM; None without one.
        run: The run.

    Raises:
        ValueError: If W&B does not accept the artifact's name, or if SIGTERM is to end a training
            in several processes.
    """

    def __init__(
        self,
        callback: Any,
        run: wandb.Run,
        settings: Settings,
        progress: Progress,
        save_pending: Callable[[OngoingFit], None],
    ) -> None:
        self._versions: VersionLogger | None = None
        name = artifact_name(run, settings.artifact)
        self._last_good = LastGood(run, name)
        if not run.disabled:
            self._versions = VersionLogger(run, name, settings.retention)
        if settings.preemption and this_process().count > 1:
            raise ValueError(
                "preemption=True is for trainings in one process: several do not end at the same "
                "batch. Use `save_freq`, and restore the last checkpoint."
            )
        self.preemption = Preemption(run) if settings.preemption else None
        self.planner = CheckpointPlanner(
            callback,
            run,
            progress,
            continue_epochs=settings.continue_epochs,
            preemption=self.preemption,
            save_pending=save_pending,
            await_judgement=self._await_judgement,
            say=self._say,
        )
        self._callback = callback
        self.run = run
        self._settings = settings
        self._progress = progress
        self._save_pending = save_pending
        self._saver: Saver | None = None
        self._withdraw: Callable[[], None] = lambda: None
        self._resumption: Resumption | None = None
        if settings.resume is not None:
            self._resumption = Resumption(settings.resume, callback.filepath, run)

    @property
    def is_in_fit(self) -> bool:
        """Whether a `fit` has begun and not ended."""
        return self._saver is not None

    @property
    def _saves_within_epochs(self) -> bool:
        return self._progress.interval is not None or self.preemption is not None

    @property
    def siblings(self) -> list[Any] | None:
        """All callbacks of the present `fit`; None if they are unknown, as in Keras 2."""
        caller = self.planner.fit.caller if EXTENDABLE_LISTS else None
        return None if caller is None else caller.callbacks

    def follow_caller(self) -> None:
        """Registers with the `CallbackList` at work, to save after the hooks of all callbacks."""
        self.planner.caller = caller = current_callback_list()
        if caller is None or not EXTENDABLE_LISTS:
            return
        call_before_all(caller, "on_train_begin", partial(self._prepare, caller))
        save = partial(self._save_pending_of, caller)
        call_after_all(caller, "on_epoch_end", save)
        if self._saves_within_epochs:
            call_after_all(caller, "on_train_batch_end", save)
        if self.preemption is not None:
            call_after_all(caller, "on_test_batch_end", save)

    def _prepare(self, caller: Any) -> None:
        """Prepares a `fit` before any callback's hooks are called; goes on with its training."""
        _has_begun(self._callback, self.run)
        if self._resumption is not None:
            self._resumption.begin(caller, self._callback.model)
        if self._saves_within_epochs:
            call_after_all(caller, "on_epoch_begin", partial(self._keep_random_state, caller))

    def _keep_random_state(self, caller: Any) -> None:
        """Keeps what the order of the epoch's data follows from."""
        fit = self.planner.fits.of(caller)
        if fit is not None:
            fit.random_of_epoch = random_state.capture()

    def begin_fit(self) -> None:
        """Begins a `fit`, whatever became of an earlier one.

        Raises:
            ValueError: If `when_busy="skip"` does not fit the model.
            UnserializableModelError: If the whole model can never be saved.
            RuntimeError: If SIGTERM is to be handled, and this is not the main thread.
        """
        fit = self.planner.begin_fit()
        if self._settings.skip_when_busy and requires_collective_save(fit.model):
            raise ValueError(
                "Each process has to take part in every save of this model, but they are not busy "
                "at the same time. Received: when_busy='skip'. Accepted here: 'wait'."
            )
        _has_begun(self._callback, self.run)
        if self._versions is not None:
            self._versions.look_up_best(is_shared=self._settings.artifact is not None)
        (self._saver or self._start_saver()).prepare(fit.model)
        if self.preemption is not None:
            self.preemption.install()

    def end_fit(self) -> None:
        """Waits until everything is saved; ends the process if SIGTERM has come.

        Raises:
            CheckpointError: If a checkpoint could not be saved.
            SystemExit: If SIGTERM has come.
        """
        self._save_pending(self.planner.fit)
        self.planner.fits.end()
        error = self.close()
        if self.preemption is not None and error is None and self.preemption.requested:
            self.preemption.end_process()
        if self.preemption is not None and self.planner.fits.current is None:
            self.preemption.uninstall()
        if error is not None:
            raise error

    def save_pending(self, fit: OngoingFit) -> None:
        """Saves the pending checkpoint of a `fit`, if there is one.

        Raises:
            CheckpointError: If this checkpoint, or the one before it, cannot be saved.
            SystemExit: If SIGTERM has come.
        """
        planner = self.planner
        if fit.pending is None and fit.last_end is not None and planner.is_preempted:
            fit.pending = planner.checkpoint(*fit.last_end)
        checkpoint, fit.pending = fit.pending, None
        if checkpoint is None:
            return
        saver = self._saver or self._start_saver()
        may_skip = self._settings.skip_when_busy and not checkpoint.monitored.improves
        if may_skip and saver.busy and not planner.is_preempted:
            self._say(f"{checkpoint.step.alias} skipped: the last checkpoint is still being saved")
            return
        fit.last_end = None
        if self._versions is not None:
            checkpoint = self._versions.with_rank(checkpoint)
        best, callbacks = self._callback.best, self._callback._saved_callbacks()
        saver.save(checkpoint, fit.model, best=best, callbacks=callbacks)
        if self.preemption is not None and self.preemption.requested:
            saver.flush()
            self.preemption.end_process()

    def roll_back(self) -> RestoredCheckpoint:
        """Puts the model of the present `fit` back to the last finite checkpoint.

        Raises:
            RollbackError: If there is no such checkpoint, or no `fit` in this process alone.
            CheckpointError: If a checkpoint that was being saved could not be.
        """
        fit = self.planner.fits.current
        if fit is None:
            raise RollbackError("A training can be put back by a hook of its `fit` only.")
        if this_process().count > 1:
            raise RollbackError("Several processes train together: one cannot put back its model.")
        if self._saver is not None:
            self._saver.flush()
        if fit.pending is not None:
            self._demote(fit.pending)
        fit.pending = fit.last_end = None
        restored = self._last_good.put_back(fit.model, epoch=fit.epochs.numbers(fit.epoch)["run"])
        fit.put_back_to = restored.global_step
        self._say(f"back at {restored.name}: {restored.path}")
        return restored

    def close(self) -> BaseException | None:
        """Waits until everything is saved; returns an error that was not raised yet."""
        saver, self._saver = self._saver, None
        if saver is None:
            return None
        self._withdraw()
        return saver.close()

    def _save_pending_of(self, caller: Any) -> None:
        fit = self.planner.fits.of(caller) or self.planner.fits.current
        if fit is not None:
            self._save_pending(fit)

    def _start_saver(self) -> Saver:
        saver_type = CollectiveSaver if is_silent(self.run) else Saver
        self._saver = saver_type(
            self._settings.format,
            self._versions,
            self._progress.files,
            self._last_good,
            self._demote,
            in_background=self._settings.background,
            say=self._say,
        )
        self._withdraw = close_before_finish(
            self.run, self._close_interrupted, "WandbModelCheckpoint"
        )
        return self._saver

    def _await_judgement(self) -> None:
        if self._saver is not None:
            self._saver.await_judgement()

    def _demote(self, checkpoint: Checkpoint) -> None:
        """Takes back that a checkpoint is the best: it is broken, or was never saved."""
        self._progress.monitor.withdraw(checkpoint.monitored)
        if self._versions is not None:
            self._versions.withdraw_rank(checkpoint)

    def _close_interrupted(self) -> BaseException | None:
        """Saves what an interrupted `fit` has left; returns an error that was not raised yet."""
        if self.preemption is not None:
            self.preemption.uninstall()
        return self.close()

    def _say(self, text: str) -> None:
        if self._callback.verbose and not is_silent(self.run):
            print(f"\n{text}")


_waiting: "weakref.WeakKeyDictionary[wandb.Run, weakref.WeakSet[Any]]" = weakref.WeakKeyDictionary()
_warned: "weakref.WeakSet[wandb.Run]" = weakref.WeakSet()


def await_fit(callback: Any, run: wandb.Run) -> None:
    """Registers a new callback that logs to the run's own artifact, until its `fit` begins.

    Warns, once for each run, if another one is registered: both are meant for the same `fit`.
    """
    others = _waiting.setdefault(run, weakref.WeakSet())
    if others and run not in _warned:
        _warned.add(run)
        warnings.warn(
            f"Two WandbModelCheckpoint of run {run.id!r} log to the same artifact: their versions "
            "and aliases mix. Give one of them a name of its own with `artifact=`.",
            stacklevel=3,
        )
    others.add(callback)


def _has_begun(callback: Any, run: wandb.Run) -> None:
    _waiting.get(run, weakref.WeakSet()).discard(callback)
