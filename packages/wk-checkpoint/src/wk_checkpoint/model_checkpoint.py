"""The callback that saves a model while it trains, and logs what it has saved."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar, Final, Literal

import wandb

from wk_checkpoint import namesakes
from wk_checkpoint.artifacts.version_logger import VersionLog
from wk_checkpoint.checkpoint import Checkpoint, artifact_name
from wk_checkpoint.collective_saver import Attendance, takes_all
from wk_checkpoint.epoch_count import EpochCount
from wk_checkpoint.filepath import check_choice, check_filepath, check_save_freq
from wk_checkpoint.formats import format_for
from wk_checkpoint.local_files import LocalFiles
from wk_checkpoint.monitor import Judgement, Monitor, numbers_in
from wk_checkpoint.ongoing_fit import OngoingFit, OngoingFits
from wk_checkpoint.preemption import Preemption
from wk_checkpoint.retention import Retention
from wk_checkpoint.saver import Saver
from wk_checkpoint.schedule import BatchInterval
from wk_checkpoint.step import Moment, placeholders
from wk_checkpoint.storage.storage import absolute, place_of
from wk_core.callbacks import after_all, calling_list, leave_to_keras
from wk_core.copying import WithoutItsRun
from wk_core.keras import LEGACY, keras, sync_state
from wk_core.optimizers import trained_batches
from wk_core.process import this_process
from wk_core.run import before_finish, is_silent

_STAND_IN: Final = {True: "model.weights.h5", False: "model.keras"}


class WandbModelCheckpoint(WithoutItsRun, keras.callbacks.ModelCheckpoint):  # type: ignore[misc]  # Keras ships no types
    """Saves a model, or its weights, while it trains, and logs each checkpoint as an artifact.

    It is a `keras.callbacks.ModelCheckpoint`, and takes its arguments. Each checkpoint becomes a
    version of the artifact `run_<run id>_model` of type `model`, with the aliases `latest`,
    `epoch_<n>` or `epoch_<n>_batch_<m>` (0-based; epochs go on in the run's next `fit`), and `best`
    where the monitored metric is better than in all versions before. Offline the versions are kept
    for `wandb sync`.

    Training does not wait for a checkpoint: a snapshot of the model is taken at the end of the
    epoch or batch, after all other callbacks, and a background thread writes, hashes and logs it.
    When `fit` ends, raises or is interrupted, what is on its way is saved before the run finishes.
    What `filepath` names is, at any instant, the old checkpoint or the new one, whole. A
    checkpoint holds what training needs to go on bit for bit: see `wk_checkpoint.restore`.

    Args:
        filepath: Where the model goes: `*.keras`, `*.h5`, `*.hdf5` (with `save_weights_only`:
            `*.weights.h5`), or a directory: a TensorFlow SavedModel, from which training can go
            on, too (with `save_weights_only`: a TensorFlow checkpoint). `{epoch}`, `{batch}`, both
            counted from 1, and metrics are filled in. A remote path (`gs://...`) is written
            through TensorFlow.
        monitor: The metric that says which model is the best. Defaults to `"val_loss"`.
        verbose: 1 says what is saved and why; 0 is silent. Defaults to 0.
        save_best_only: Whether to save only what is better than all that this callback has seen
            before it. As long as the metric has never had a value, all is saved. Defaults to False.
        save_weights_only: Whether to save weights and optimizer state without the architecture.
            Defaults to False.
        mode: Whether `"min"` or `"max"` of the metric is better; `"auto"` goes by its kind.
            Defaults to `"auto"`.
        save_freq: `"epoch"`, or every how many batches. Defaults to `"epoch"`.
        options: For a directory: `tf.saved_model.SaveOptions`, or, with `save_weights_only`,
            `tf.train.CheckpointOptions`. Defaults to None.
        initial_value_threshold: A value of the metric to improve upon. Defaults to None.
        run: The run to log to. Defaults to the active one.
        artifact: The artifact's name. Defaults to None: `run_<run id>_model`, which is for one
            callback: of several in a `fit`, the others need a name.
        background: Whether training goes on while a checkpoint is written. Models that cannot be
            saved like that are saved while training waits, which is said once. Defaults to True.
        when_busy: What to do when a checkpoint is due while the last one is still being saved:
            `"wait"`, or `"skip"` the new one unless it is the best. Defaults to `"wait"`.
        retention: Which checkpoints are kept, on the disk and on the server. Defaults to None:
            all.
        preemption: Whether SIGTERM ends training at the end of the batch, with a checkpoint of
            it, the run marked as preempted, and exit status 75. Keras then calls batch hooks
            synchronously. Defaults to False.

    Where a training has several processes, one of them saves and logs (`wk_core.process`). The
    others need no run, and write nothing; where a model can only be read by all of them together,
    they take part. Then `when_busy="skip"` raises, and with several processes `preemption=True`.

    Raises:
        wandb.Error: If no run is given or active, or if it is finished.
        ValueError: If an argument is not as above, or the artifact's name is not acceptable.
        TypeError: If `options` are for another writer.
        MissingTensorFlowError: If TensorFlow is needed, but not installed.
        FileExistsError: If there is something else than a checkpoint at `filepath`.

    Example:
        ```python
        import keras
        import numpy as np
        import wandb
        from wk_checkpoint import WandbModelCheckpoint

        x, y = np.random.rand(64, 4), np.random.rand(64, 1)
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        model.compile(optimizer="adam", loss="mse")

        with wandb.init(mode="offline"):
            checkpoint = WandbModelCheckpoint("models/{epoch:02d}.keras", monitor="loss")
            model.fit(x, y, epochs=2, verbose=0, callbacks=[checkpoint])
        ```
    """

    _not_copied: ClassVar[frozenset[str]] = frozenset(
        {"_run", "_versions", "_preemption", "_fits", "_caller", "_saver", "_withdraw"}
    )

    _epochs_go_on: ClassVar[bool] = True

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: Literal["auto", "min", "max"] = "auto",
        save_freq: Literal["epoch"] | int = "epoch",
        options: Any = None,
        initial_value_threshold: float | None = None,
        *,
        run: wandb.Run | None = None,
        artifact: str | None = None,
        background: bool = True,
        when_busy: Literal["wait", "skip"] = "wait",
        retention: Retention | None = None,
        preemption: bool = False,
    ) -> None:
        filepath = os.fspath(filepath)
        check_choice("mode", mode, ("auto", "min", "max"))
        check_choice("when_busy", when_busy, ("wait", "skip"))
        check_save_freq(save_freq)
        check_filepath(filepath, save_freq)
        self._format = format_for(filepath, weights_only=save_weights_only, options=options)
        place = place_of(filepath)
        if this_process().writes and not placeholders(filepath):
            place.check(directory=self._format.directory)
        super().__init__(
            # Keras accepts files only.
            _STAND_IN[bool(save_weights_only)],
            monitor=monitor,
            verbose=verbose,
            save_best_only=save_best_only,
            save_weights_only=save_weights_only,
            mode=mode,
            save_freq=save_freq,
            initial_value_threshold=initial_value_threshold,
        )
        self.filepath = filepath
        self._supports_tf_logs = False  # Keras 2: metrics come as numbers
        self._artifact = artifact
        self._retention = retention
        self._files = None if retention is None else LocalFiles(retention)
        self._background = background
        self._skips = when_busy == "skip"
        self._minds_preemption = preemption
        self._interval = None if save_freq == "epoch" else BatchInterval(save_freq)
        self._monitor = Monitor(self, has_threshold=initial_value_threshold is not None)
        self._first_batch = 0
        self._resumed_epochs: Mapping[str, int] = {}
        if self._interval is None and not preemption:
            leave_to_keras(self, WandbModelCheckpoint, "on_train_batch_end")
        if not preemption:
            leave_to_keras(self, WandbModelCheckpoint, "on_test_batch_end")
        self._report_to(run)
        if self._versions is not None and artifact is None:
            namesakes.await_fit(self, self._run)

    def _bind(self, run: wandb.Run) -> None:
        self._run = run
        self._versions: VersionLog | None = None
        if not run.disabled:
            name = artifact_name(run, self._artifact)
            self._versions = VersionLog(run, name, self._retention)
        if self._minds_preemption and this_process().count > 1:
            raise ValueError(
                "preemption=True is for trainings in one process: several do not end at the same "
                "batch. Use `save_freq`, and restore the last checkpoint."
            )
        self._preemption = Preemption(run) if self._minds_preemption else None
        self._fits = OngoingFits()
        self._caller: Any = None
        self._saver: Saver | None = None
        self._withdraw: Callable[[], None] = lambda: None

    @property
    def _is_in_fit(self) -> bool:
        return self._saver is not None

    def set_model(self, model: Any) -> None:
        """Takes the model, and from then on its turn after all other callbacks."""
        super().set_model(model)
        self._caller = caller = calling_list()
        if LEGACY or caller is None:
            return
        take_due = partial(self._take_due_of, caller)
        after_all(caller, "on_epoch_end", take_due)
        if self._interval is not None or self._preemption is not None:
            after_all(caller, "on_train_batch_end", take_due)
        if self._preemption is not None:
            after_all(caller, "on_test_batch_end", take_due)

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Starts afresh, whatever became of an earlier `fit`."""
        fit = self._fits.begin(self._new_fit())
        self._check_together(fit.model)
        namesakes.begin_fit(self, self._run)
        if self._versions is not None:
            self._versions.look_up_best(is_shared=self._artifact is not None)
        (self._saver or self._start_saver()).prepare(fit.model)
        if self._preemption is not None:
            self._preemption.install()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Notes the epoch."""
        fit = self._fits.at_epoch() or self._fit
        fit.epoch, fit.passed = epoch, None
        fit.epochs.begin(epoch)
        if fit.interval is not None:
            fit.interval.start_epoch()

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Has a checkpoint taken if one is due, or if the process has to end."""
        fit = self._fit
        if fit.steps is not None:
            # With several batches an execution Keras counts past the last one of an epoch.
            batch = min(batch, fit.steps - 1)
        fit.last_batch, fit.passed = (self._first_batch + batch, logs), None
        due = fit.interval is not None and fit.interval.is_due_after(batch)
        if due or self._is_preempted:
            self._decide(fit, *fit.last_batch)

    def on_test_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Has a checkpoint taken if the process has to end: the epoch is trained, not validated."""
        if self._is_preempted and self._fit.last_batch is not None:
            self._decide(self._fit, *self._fit.last_batch)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Has a checkpoint taken if one is due."""
        fit = self._fits.at_epoch() or self._fit
        fit.epoch, fit.last_batch = epoch, None
        self._first_batch = 0
        fit.epochs.end(epoch)
        if self._interval is None or self._preemption is not None:
            self._decide(fit, None, logs)

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Waits until everything is saved; ends the process if it was told to meanwhile."""
        fit = self._fit
        self._take_due(fit)
        self._fits.end()
        error = self._close()
        if self._preemption is not None and error is None and self._is_preempted:
            self._preemption.end_process()
        if self._preemption is not None and self._fits.current is None:
            self._preemption.uninstall()
        if error is not None:
            raise error

    def get_training_state(self) -> dict[str, Any]:
        """Returns what `restore` puts back: the best value, and what was saved so far."""
        fit = self._fits.current
        interval = self._interval if fit is None else fit.interval
        return {
            "best": self.best,
            "has_seen": self._monitor.has_seen,
            "epochs": {} if fit is None else fit.epochs.state(),
            "next_batch": 0 if fit is None or fit.last_batch is None else fit.last_batch[0] + 1,
            "since_last": None if interval is None else interval.since_last,
            "files": None if self._files is None else self._files.state(),
        }

    def set_training_state(self, state: Mapping[str, Any]) -> None:
        """Goes on where a restored training stood."""
        self.best = state["best"]
        self._monitor.has_seen = state["has_seen"]
        self._resumed_epochs = state["epochs"]
        self._first_batch = state["next_batch"]
        if self._interval is not None and state["since_last"] is not None:
            self._interval.since_last = state["since_last"]
        if self._files is not None and state["files"] is not None:
            self._files.restore(state["files"])

    def _check_together(self, model: Any) -> None:
        if self._skips and takes_all(model):
            raise ValueError(
                "Each process has to take part in every save of this model, but they are not busy "
                "at the same time. Received: when_busy='skip'. Accepted here: 'wait'."
            )

    @property
    def _is_preempted(self) -> bool:
        return self._preemption is not None and self._preemption.requested

    @property
    def _fit(self) -> OngoingFit:
        """The `fit` at work; a loop of the user's own may not have said that it has begun."""
        return self._fits.current or self._fits.begin(self._new_fit())

    def _new_fit(self) -> OngoingFit:
        return OngoingFit(
            self.model,
            self._caller,
            steps=(self.params or {}).get("steps"),
            epochs=EpochCount(
                self._run, self.model, self._take_resumed_epochs, goes_on=self._epochs_go_on
            ),
            interval=self._interval,
        )

    def _take_resumed_epochs(self) -> Mapping[str, int]:
        resumed, self._resumed_epochs = self._resumed_epochs, {}
        return resumed

    def _decide(self, fit: OngoingFit, batch: int | None, logs: Mapping[str, Any] | None) -> None:
        """Decides whether to save, with what is known at this callback's turn.

        Args:
            fit: The `fit`.
            batch: The number of the batch that has ended; None at the end of an epoch.
            logs: What Keras reports.
        """
        moment = self._moment(fit, batch, logs)
        if self._interval is not None and batch is None:
            fit.passed = (moment, Judgement())  # due by batches only
        else:
            before = self.best
            judgement = self._monitor.judge(moment.logs, fit.model)
            self._say(judgement.describe(moment, self.monitor, before))
            fit.passed = (moment, judgement)
            if not self.save_best_only or judgement.improves or not judgement.decides:
                fit.due = self._checkpoint(moment, judgement)
        if fit.caller is None or LEGACY:
            self._take_due(fit)

    def _moment(self, fit: OngoingFit, batch: int | None, logs: Mapping[str, Any] | None) -> Moment:
        sync_state(fit.model)
        numbers = fit.epochs.numbers(fit.epoch)
        return Moment(
            numbers["run"],
            batch,
            trained_batches(fit.model),
            numbers_in(logs or {}),
            epoch_of_fit=fit.epoch,
            epoch_of_model=numbers["model"],
        )

    def _checkpoint(self, moment: Moment, judgement: Judgement) -> Checkpoint:
        # A process that has to end cannot wait until the path's metrics are known.
        path = moment.fill(self.filepath, anyway=self._is_preempted)
        owner = None if self._files is None else self._files.owner
        return Checkpoint(absolute(path), path, moment, judgement, self.monitor, owner)

    def _take_due_of(self, caller: Any) -> None:
        fit = self._fits.of(caller) or self._fits.current
        if fit is not None:
            self._take_due(fit)

    def _take_due(self, fit: OngoingFit) -> None:
        """Saves what is due, when all other callbacks have had their turn."""
        if fit.due is None and fit.passed is not None and self._is_preempted:
            fit.due = self._checkpoint(*fit.passed)
        checkpoint, fit.due = fit.due, None
        if checkpoint is None:
            return
        saver = self._saver or self._start_saver()
        improves = checkpoint.judgement.improves
        if self._skips and saver.busy and not improves and not self._is_preempted:
            self._say(
                f"{checkpoint.moment.alias} skipped: the last checkpoint is still being saved"
            )
            return
        fit.passed = None
        if self._versions is not None:
            checkpoint = self._versions.ranked(checkpoint)
        saver.save(checkpoint, fit.model, best=self.best, callbacks=self._known_callbacks())
        if self._preemption is not None and self._is_preempted:
            saver.flush()
            self._preemption.end_process()

    @property
    def _callbacks(self) -> Any:
        """The list with all callbacks of the `fit`; Keras 2 lets no other be seen."""
        return None if LEGACY else self._fit.caller

    def _known_callbacks(self) -> list[Any]:
        """Returns the callbacks whose state is saved."""
        known: list[Any] = [self] if self._callbacks is None else self._callbacks.callbacks
        return known

    def _start_saver(self) -> Saver:
        kind = Attendance if is_silent(self._run) else Saver
        self._saver = kind(
            self._format,
            self._versions,
            self._files,
            in_background=self._background,
            say=self._say,
        )
        self._withdraw = before_finish(self._run, self._close_interrupted)
        return self._saver

    def _close(self) -> BaseException | None:
        saver, self._saver = self._saver, None
        if saver is None:
            return None
        self._withdraw()
        return saver.close()

    def _close_interrupted(self) -> None:
        """Saves before the run finishes what a `fit` that never came to its end has left."""
        if self._preemption is not None:
            self._preemption.uninstall()
        error = self._close()
        if error is not None:
            wandb.termerror(f"WandbModelCheckpoint: {error}")

    def _say(self, text: str) -> None:
        if self.verbose and not is_silent(self._run):
            print(f"\n{text}")
