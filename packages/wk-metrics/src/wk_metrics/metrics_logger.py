"""The callback that logs the metrics of a training."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import wandb

from wk_core.arguments import check_choice
from wk_core.callback import RunCallback
from wk_core.compat.keras.flavour import keras
from wk_core.compat.keras.hooks import restore_default_hook
from wk_core.run import resolve_run
from wk_metrics.batches import Frequency, LogFreq
from wk_metrics.fit_logger import MetricsSettings
from wk_metrics.global_step import StartingPoint
from wk_metrics.metrics_session import MetricsSession


class WandbMetricsLogger(RunCallback, keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Logs the metrics and the learning rate of a training to W&B.

    At the end of every epoch, it logs what Keras reports under `epoch/`, with the x axis
    `epoch/epoch`. With a batch frequency, it also logs what Keras reports at the end of a batch
    under `batch/`, with the x axis `batch/batch_step`. `model.evaluate(callbacks=[...])` outside
    `fit` is logged under `test/`. The run itself has the system metrics.

    `batch/batch_step` and `epoch/epoch` are the 0-based numbers of the batch and the epoch in the
    whole training: both go on in a second `fit` of the same run and in a resumed run. A row has the
    learning rate that its batch used, and an epoch's row that of the epoch's last batch:
    `learning_rate`, or `learning_rate/<name>` for each of several optimizers.

    Without a batch frequency the logger has no batch hook, so Keras keeps dispatching its callbacks
    asynchronously. Batches are logged by a background thread, in order. When the thread falls
    behind, training waits. When `fit` raises or is interrupted, the remaining rows are logged
    before the run finishes.

    Args:
        log_freq: `"epoch"`; `"batch"`; or a whole number N, for the batches 0, N, 2N … of the
            training. Defaults to `"epoch"`.
        initial_global_step: The number of batches trained before the first `fit`. Defaults to
            None: it is taken from the first known of the batches logged to this run, the
            optimizer's count, `initial_epoch` and the run that is resumed.
        run: The run to log to. Defaults to the active run.
        throughput: Whether an epoch's row has the speed of training, without validation and other
            callbacks at the end of the epoch: `epoch/steps_per_second`,
            `epoch/samples_per_second`, `epoch/mean_step_time` in seconds and, on PyTorch,
            `epoch/data_wait_share`, the share of the time (0 to 1) spent waiting for data. Defaults
            to False.
        log_model_info: Whether to log facts about the model once: parameters, optimizer, loss,
            metrics and layers as `model_info` in the run's config; parameter counts and the table
            of layers as `model/...` in its summary. Defaults to False.
        report_from: If a training has several processes, one process logs all of the above, and
            the others need no run. With `"all"` each process needs a run, and logs its own
            throughput under `process_<index>/`: either the same run in W&B's shared mode
            (`wk_core.process.shared_settings`), or a run of the same group. Defaults to `"one"`.

    Raises:
        wandb.Error: If no run is given or active, or if it is finished.
        ValueError: If `log_freq`, `initial_global_step` or `report_from` is not as above.

    Example:
        ```python
        import keras
        import numpy as np
        import wandb
        from wk_metrics import WandbMetricsLogger

        x, y = np.random.rand(64, 4), np.random.rand(64, 1)
        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile(optimizer="adam", loss="mse")

        with wandb.init(mode="offline"):
            model.fit(x, y, epochs=2, verbose=0, callbacks=[WandbMetricsLogger("batch")])
        ```
    """

    # Keras may call the batch hooks from its pool of threads instead of holding up training.
    async_safe = True

    _session: MetricsSession

    def __init__(
        self,
        log_freq: LogFreq = "epoch",
        initial_global_step: int | None = None,
        *,
        run: wandb.Run | None = None,
        throughput: bool = False,
        log_model_info: bool = False,
        report_from: Literal["one", "all"] = "one",
    ) -> None:
        check_choice(report_from, "report_from", ("one", "all"))
        super().__init__()
        self._settings = MetricsSettings(
            frequency=Frequency.parse(log_freq),
            shows_throughput=throughput,
            describes_model=log_model_info,
            reports_from_all=report_from == "all",
        )
        self._start = StartingPoint.parse(initial_global_step)
        self._evaluates_alone = False
        if not (self._settings.logs_batches or self._settings.measures_throughput):
            restore_default_hook(self, WandbMetricsLogger, "on_train_batch_begin")
            restore_default_hook(self, WandbMetricsLogger, "on_train_batch_end")
        self._report_to(run)

    def _resolve(self, run: wandb.Run | None) -> wandb.Run:
        in_every_process = self._settings.reports_from_all
        return resolve_run(type(self).__name__, run, in_every_process=in_every_process)

    def _begin_session(self, run: wandb.Run) -> MetricsSession:
        return MetricsSession(run, self._settings, self._start)

    @property
    def _is_in_fit(self) -> bool:
        return self._session.fit is not None

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_start": replace(self._start)}

    def set_params(self, params: Mapping[str, Any]) -> None:
        """Sets the parameters of the `fit` or the `evaluate` that begins."""
        super().set_params(params)
        # `fit` hands its own callbacks on to its validation, which does not call this.
        self._evaluates_alone = True

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Begins a `fit`, after ending an earlier one that was interrupted."""
        self._evaluates_alone = False
        self._session.begin_fit(self.model, self.params)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Completes the row of the last epoch, and begins an epoch."""
        self._session.begin_epoch(self.model, self.params, epoch)

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Records that a batch begins; waits while too many rows are waiting."""
        self._session.begin_batch(batch)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Logs the batch in the background if it is due; Keras may use several threads."""
        self._session.end_batch(batch, logs or {})

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Records the epoch's number of samples before validation resets the metrics."""
        if self._session.fit is not None and not self._evaluates_alone:
            self._session.fit.begin_validation()

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Logs an `evaluate` outside `fit`."""
        if self._evaluates_alone:
            self._session.log_evaluation(logs or {})
        self._evaluates_alone = False

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Logs the epoch."""
        self._session.end_epoch(self.model, self.params, epoch, logs or {})

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Waits until everything is logged."""
        self._session.end_fit()

    def get_training_state(self) -> dict[str, int | None]:
        """Returns the state to save in a checkpoint: the numbers of the next epoch and batch."""
        return self._session.state()

    def set_training_state(self, state: Mapping[str, Any]) -> None:
        """Continues the numbers of a resumed training in the next `fit`.

        Batches and epochs that are trained again are not logged again if the resumed run has
        logged them.
        """
        self._start.epoch = state["next_epoch"]
        self._start.batch = state["next_batch"]
        self._session.leave_out_logged()
