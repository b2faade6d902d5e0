"""What belongs to a `WandbMetricsLogger` and one run."""

import weakref
from collections.abc import Mapping
from typing import Any

import wandb

from wk_core.axes import define_axis
from wk_core.compat.keras.hooks import call_after_all, call_before_all, current_callback_list
from wk_core.epochs import EpochNumbers
from wk_core.process import this_process
from wk_metrics.fit_logger import FitLogger, MetricsSettings
from wk_metrics.global_step import StartingPoint, global_step_of
from wk_metrics.model.info import log_model_info
from wk_metrics.row_writer import RowWriter


class MetricsSession:
    """Logs the trainings of one `WandbMetricsLogger` to its run.

    Where the run is disabled, its methods do nothing.

    Args:
        run: The run.
        settings: What is logged.
        start: The given starting point of the next `fit`.

    Attributes:
        fit: Logs the `fit` that is running; None between two of them.
    """

    def __init__(self, run: wandb.Run, settings: MetricsSettings, start: StartingPoint) -> None:
        process = this_process()
        self._run = run
        self._settings = settings
        self._start = start
        self._enabled = not run.disabled
        self._writes = process.writes
        self._own_prefix = f"process_{process.index}" if settings.reports_from_all else None
        self._model_info_is_due = settings.describes_model and self._writes
        self._rows = RowWriter(run)
        if start.epoch is not None:
            self._rows.leave_out_logged()
        self._global_step = global_step_of(run)
        self._epochs = EpochNumbers(run, "epoch/epoch")
        self._callbacks: weakref.ref[Any] | None = None
        self._reads_batches = False
        self.fit: FitLogger | None = None
        if self._own_prefix is not None:
            define_axis(run, self._own_prefix, "epoch")
        if self._writes:
            define_axis(run, "epoch", "epoch")
            if settings.logs_batches:
                define_axis(run, "batch", "batch_step")

    def begin_fit(self, model: Any, params: Mapping[str, Any] | None) -> None:
        """Begins a `fit`, after ending an earlier one that was interrupted."""
        if not self._enabled:
            return
        self.end_fit()
        self._begin_fit(model, params)
        self._follow(current_callback_list())
        self._log_model_info(model)

    def begin_epoch(self, model: Any, params: Mapping[str, Any] | None, epoch: int) -> None:
        """Completes the row of the last epoch, and begins an epoch."""
        if not self._enabled:
            return
        self._rows.complete()
        fit = self.fit or self._begin_fit(model, params)
        fit.begin_epoch(epoch)

    def begin_batch(self, batch: int) -> None:
        """Records that a batch begins; waits while too many rows are waiting."""
        fit = self.fit
        if fit is None or fit.batches is None:
            return
        fit.batches.begin(batch)
        if fit.rates.must_be_read and not self._reads_batches:
            self._follow_batches()
        if fit.throughput is not None:
            fit.throughput.begin_execution(batch)

    def end_batch(self, batch: int, logs: Mapping[str, Any]) -> None:
        """Logs a batch in the background if it is due; may be called from several threads."""
        fit = self.fit
        if fit is None or fit.batches is None:
            return
        if fit.throughput is not None:
            fit.throughput.end_execution()
        if self._callbacks is None:
            fit.read_batch(batch)
        fit.end_batch(batch, logs)

    def log_evaluation(self, logs: Mapping[str, Any]) -> None:
        """Logs an `evaluate` outside `fit`."""
        if self._enabled and self._writes:
            self._rows.write("test", logs)

    def end_epoch(
        self, model: Any, params: Mapping[str, Any] | None, epoch: int, logs: Mapping[str, Any]
    ) -> None:
        """Logs an epoch."""
        if not self._enabled:
            return
        fit = self.fit or self._begin_fit(model, params, is_over=True)
        number = fit.number_of(epoch)
        speed = fit.end_batches()
        if self._own_prefix is not None:
            self._rows.write(self._own_prefix, {}, {"epoch": number, **speed})
        if self._writes:
            fit.log_epoch(number, logs, speed if self._settings.shows_throughput else {})
        self._epochs.end(epoch)
        self._log_model_info(model, is_trained=True)

    def end_fit(self) -> None:
        """Waits until the `fit` is logged, if one is running.

        Raises:
            BaseException: The first error in the background that has not been raised yet.
        """
        fit, self.fit = self.fit, None
        if fit is not None:
            fit.close()

    def state(self) -> dict[str, int | None]:
        """Returns the numbers of the epoch and the batch to come."""
        batches = None if self.fit is None else self.fit.batches
        return {
            "next_epoch": self._epochs.next,
            "next_batch": self._global_step.next_batch if batches is None else batches.next_batch,
        }

    def leave_out_logged(self) -> None:
        """Skips the batches and epochs that the resumed run has already logged."""
        self._rows.leave_out_logged()

    def _begin_fit(
        self, model: Any, params: Mapping[str, Any] | None, *, is_over: bool = False
    ) -> FitLogger:
        self._epochs.begin_fit()
        self.fit = FitLogger(
            self._run,
            self._rows,
            self._settings,
            self._start,
            self._epochs,
            model=model,
            params=params,
            writes=self._writes,
            is_over=is_over,
        )
        return self.fit

    def _follow(self, callbacks: Any) -> None:
        """Reads learning rates before another callback of the list can change them.

        Args:
            callbacks: Keras' list of the callbacks of this `fit`; None if there is none.
        """
        known = None if self._callbacks is None else self._callbacks()
        if callbacks is None or callbacks is known:
            return
        self._callbacks = weakref.ref(callbacks)
        self._reads_batches = False
        call_before_all(callbacks, "on_epoch_begin", self._complete_row)
        call_after_all(callbacks, "on_epoch_begin", self._refresh_rates)
        call_before_all(callbacks, "on_epoch_end", self._read_epoch)
        self._follow_batches()

    def _follow_batches(self) -> None:
        callbacks = None if self._callbacks is None else self._callbacks()
        if callbacks is None or self.fit is None or self._reads_batches:
            return
        if self.fit.must_read_batches:
            self._reads_batches = True
            call_before_all(callbacks, "on_train_batch_end", self._read_batch)

    def _complete_row(self, *_: Any, **__: Any) -> None:
        if self.fit is not None:
            self.fit.complete_row()

    def _refresh_rates(self) -> None:
        if self.fit is not None:
            self.fit.rates.refresh()
            self._follow_batches()

    def _read_batch(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        if self.fit is not None:
            self.fit.read_batch(batch)

    def _read_epoch(self, *_: Any, **__: Any) -> None:
        if self.fit is not None:
            self.fit.read_epoch()

    def _log_model_info(self, model: Any, *, is_trained: bool = False) -> None:
        # Some models train and never count as built, such as models without a `call`.
        if self._model_info_is_due and (model.built or is_trained):
            self._model_info_is_due = False
            log_model_info(self._run, model)
