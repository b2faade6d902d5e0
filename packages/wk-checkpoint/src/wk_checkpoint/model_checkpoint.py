"""The callback that saves a model while it trains, and logs each checkpoint."""

import os
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal

import wandb

from wk_checkpoint.filepath import check_filepath, placeholders
from wk_checkpoint.formats import format_for
from wk_checkpoint.monitor import Monitor
from wk_checkpoint.ongoing_fit import OngoingFit
from wk_checkpoint.progress import Progress
from wk_checkpoint.resuming.resumption import checked_resume
from wk_checkpoint.retention import LocalFiles, Retention
from wk_checkpoint.schedule import BatchInterval, checked_save_freq
from wk_checkpoint.session import CheckpointSession, Settings, await_fit
from wk_checkpoint.storage.storage import storage_at
from wk_core.arguments import check_choice
from wk_core.callback import RunCallback
from wk_core.compat.keras.flavour import keras
from wk_core.compat.keras.hooks import restore_default_hook
from wk_core.monitor import Direction
from wk_core.process import this_process
from wk_core.state.rollback import RestoredCheckpoint

__all__ = ["WandbModelCheckpoint"]

_KERAS_FILEPATH: Final = {True: "model.weights.h5", False: "model.keras"}


class WandbModelCheckpoint(RunCallback, keras.callbacks.ModelCheckpoint):  # type: ignore[misc]  # Keras ships no types
    """Saves a model, or its weights, while it trains, and logs each checkpoint as an artifact.

    It is a `keras.callbacks.ModelCheckpoint` with the same arguments. Each checkpoint becomes a
    version of the artifact `run_<run id>_model` of type `model`, with the aliases `latest`;
    `epoch_<n>` or `epoch_<n>_batch_<m>`, counted from 0 (epochs go on in the run's next `fit`);
    and `best` if the monitored metric is better than in all earlier versions. A model with NaN or
    infinities becomes neither: its alias is `non_finite`, and it replaces no file. Offline the
    versions stay on this machine for `wandb sync`.

    Training does not wait for a checkpoint: at the end of the epoch or batch, after all other
    callbacks, it takes a snapshot of the model, and a background thread writes, hashes and logs
    it. Pending checkpoints are saved before the run finishes, also if `fit` raises or is
    interrupted. At any instant `filepath` holds the old checkpoint or the new one, complete. A
    checkpoint holds all that training needs to go on bit for bit: see `wk_checkpoint.restore`.

    Args:
        filepath: The path of the model: `*.keras`, `*.h5`, `*.hdf5` (with `save_weights_only`:
            `*.weights.h5`), or a directory: a TensorFlow SavedModel (with `save_weights_only`: a
            TensorFlow checkpoint). `{epoch}` and `{batch}`, both counted from 1, and metrics are
            filled in. TensorFlow writes to remote paths (`gs://...`).
        monitor: The metric that decides which model is the best. Defaults to `"val_loss"`.
        verbose: 1 prints what is saved and why; 0 is silent. Defaults to 0.
        save_best_only: Whether to save only models that are better than all that this callback
            has seen. Saves every model until the metric has a value. Defaults to False.
        save_weights_only: Whether to save weights and optimizer state without the architecture.
            Defaults to False.
        mode: Whether `"min"` or `"max"` of the metric is better; `"auto"` goes by the metric.
            Defaults to `"auto"`.
        save_freq: `"epoch"`, or the number of batches between checkpoints. Defaults to `"epoch"`.
        options: For a directory: `tf.saved_model.SaveOptions`, or, with `save_weights_only`,
            `tf.train.CheckpointOptions`. Defaults to None.
        initial_value_threshold: A value of the metric to improve upon. Defaults to None.
        run: The run to log to. Defaults to the active one.
        artifact: The artifact's name. Defaults to None: `run_<run id>_model`. If several callbacks
            share a `fit`, all but one need a name.
        background: Whether training goes on while a checkpoint is written. For a model that does
            not allow it, training waits, and a message says so once. Defaults to True.
        when_busy: What to do if a checkpoint is due while the last one is being saved: `"wait"`,
            or `"skip"` the new one unless it is the best. Defaults to `"wait"`.
        retention: Which checkpoints to keep on the disk and on the server. Defaults to None: all.
        preemption: Whether SIGTERM ends training at the end of the batch, with a checkpoint, the
            run marked as preempting, and exit status 75. Keras then calls batch hooks
            synchronously. Defaults to False.
        resume: The checkpoint with which the first `fit` of this callback goes on, with the state
            of all its callbacks, also within an epoch: `"auto"` for the run's latest if there is
            one, `"must"` for the latest, or any that `restore` takes. Without a run, and in several
            processes, the latest is the file at `filepath`. Needs Keras 3. Defaults to None: none.

    In a training with several processes, one of them saves and logs (`wk_core.process`). The
    others need no run and write nothing; if only all processes together can read the model, they
    take part. Then `when_busy="skip"` raises; with several processes, so does `preemption=True`.

    Raises:
        wandb.Error: If no run is given or active, or if it is finished.
        ValueError: If an argument has another value, or W&B does not accept the artifact's name.
        TypeError: If `options` are for another writer.
        MissingTensorFlowError: If TensorFlow is needed, but not installed.
        FileExistsError: If `filepath` holds something else than a checkpoint.
        FileNotFoundError: When `fit` begins, if `resume` names a checkpoint that there is not.

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

    _session: CheckpointSession

    _epochs_go_on: ClassVar[bool] = True
    """Whether the numbers of epochs go on in the run's next `fit`; for subclasses."""

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
        resume: str | os.PathLike[str] | None = None,
    ) -> None:
        filepath = os.fspath(filepath)
        check_choice(mode, "mode", ("auto", "min", "max"))
        check_choice(when_busy, "when_busy", ("wait", "skip"))
        save_freq = checked_save_freq(save_freq)
        check_filepath(filepath, save_freq)
        checkpoint_format = format_for(filepath, weights_only=save_weights_only, options=options)
        storage = storage_at(filepath)
        if this_process().writes and not placeholders(filepath):
            storage.check(directory=checkpoint_format.directory)
        super().__init__(
            # Keras accepts files only.
            _KERAS_FILEPATH[bool(save_weights_only)],
            monitor=monitor,
            verbose=verbose,
            save_best_only=save_best_only,
            save_weights_only=save_weights_only,
            mode=mode,
            save_freq=save_freq,
            initial_value_threshold=initial_value_threshold,
        )
        # As Keras 3.11 and later leave them. Keras up to 3.10, and Keras 2, forget the mode, take
        # less for better unless the metric's name has "acc" in it, and begin at infinity.
        self.mode, self.best, self.monitor_op = mode, initial_value_threshold, None
        self.filepath = filepath
        self._supports_tf_logs = False  # Keras 2: metrics come as numbers
        self._settings = Settings(
            format=checkpoint_format,
            artifact=artifact,
            retention=retention,
            background=background,
            skip_when_busy=when_busy == "skip",
            preemption=preemption,
            resume=checked_resume(resume),
            continue_epochs=self._epochs_go_on,
        )
        self._progress = Progress(
            Monitor(self, has_threshold=initial_value_threshold is not None),
            None if save_freq == "epoch" else BatchInterval(save_freq),
            None if retention is None else LocalFiles(retention),
        )
        if save_freq == "epoch" and not preemption:
            restore_default_hook(self, WandbModelCheckpoint, "on_train_batch_end")
        if not preemption:
            restore_default_hook(self, WandbModelCheckpoint, "on_test_batch_end")
        self._report_to(run)
        if artifact is None and not self._session.run.disabled:
            await_fit(self, self._session.run)

    def _begin_session(self, run: wandb.Run) -> CheckpointSession:
        return CheckpointSession(self, run, self._settings, self._progress, self._save_pending)

    @property
    def _is_in_fit(self) -> bool:
        return self._session.is_in_fit

    def set_model(self, model: Any) -> None:
        """Sets the model, and registers to save after the hooks of all other callbacks."""
        super().set_model(model)
        self._session.follow_caller()

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Begins a `fit`, whatever became of an earlier one."""
        self._session.begin_fit()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Begins an epoch."""
        self._session.planner.begin_epoch(epoch)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Takes a checkpoint if one is due, or if the process has to end."""
        self._session.planner.end_batch(batch, logs)

    def on_test_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Takes a checkpoint if the process has to end during validation."""
        self._session.planner.end_test_batch()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Takes a checkpoint if one is due."""
        self._session.planner.end_epoch(epoch, logs)

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Waits until everything is saved; ends the process if SIGTERM has come."""
        self._session.end_fit()

    def roll_back(self) -> RestoredCheckpoint:
        """Puts the model back to its last good checkpoint, while it trains.

        To be called in a hook of the same `fit`, in the thread that trains, at the begin or the end
        of a batch or an epoch. It waits until pending checkpoints are saved. The last good
        checkpoint is the last one of this callback all of whose values are finite.

        Restores weights, optimizer state with its count of updates and its learning rate, and the
        states of random and recurrent layers, bit for bit. Metrics go on from the checkpoint if it
        is of the same epoch; else they begin anew. The data, callbacks, and the random generators
        of Python, NumPy and PyTorch go on where they are: the next batches are other ones.

        Returns:
            Which checkpoint it was.

        Raises:
            RollbackError: If there is no good checkpoint yet, or it cannot be read; outside of a
                `fit`; and in a training with several processes.
            CheckpointError: If the checkpoint that was being saved cannot be saved.

        Example:
            ```python
            import keras
            import numpy as np
            import wandb
            from wk_checkpoint import WandbModelCheckpoint


            class RollBack(keras.callbacks.Callback):
                def on_epoch_end(self, epoch, logs=None):
                    if not np.isfinite(logs["loss"]):
                        print("back at", checkpoint.roll_back().name)


            x, y = np.random.rand(64, 4), np.random.rand(64, 1)
            model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
            model.compile(optimizer="adam", loss="mse")

            with wandb.init(mode="offline"):
                checkpoint = WandbModelCheckpoint("model.keras", monitor="loss")
                model.fit(x, y, epochs=2, verbose=0, callbacks=[checkpoint, RollBack()])
            ```
        """
        return self._session.roll_back()

    def get_training_state(self) -> dict[str, Any]:
        """Returns the state that `restore` restores: the best value, and what was saved so far."""
        fit = self._session.planner.fits.current
        return {"best": self.best, **self._progress.state(fit)}

    def set_training_state(self, state: Mapping[str, Any]) -> None:
        """Restores the state of an earlier process."""
        self.best = state["best"]
        self._progress.restore(state)

    def _save_as_best(self, epoch: int, logs: Mapping[str, Any], direction: Direction) -> None:
        """Saves the model at the end of an epoch as the best, whatever was saved before.

        It is for subclasses that decide themselves which epoch is the best, and do not pass
        `on_epoch_end` on for the other epochs. The model is saved after the hooks of all callbacks.

        Args:
            epoch: Keras' number of the epoch.
            logs: Keras' logs.
            direction: Whether less or more of the monitored metric is better.
        """
        self._session.planner.end_epoch(epoch, logs, best_by=direction)

    def _save_pending(self, fit: OngoingFit) -> None:
        """Saves the pending checkpoint of a `fit`; subclasses may handle its errors."""
        self._session.save_pending(fit)

    def _saved_callbacks(self) -> list[Any]:
        """Returns the callbacks whose state is saved; subclasses may choose others."""
        siblings = self._session.siblings
        return [self] if siblings is None else siblings
