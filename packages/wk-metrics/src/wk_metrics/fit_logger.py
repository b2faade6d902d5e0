"""What a `WandbMetricsLogger` logs of one `fit`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import wandb

from wk_core.compat.keras.flavour import steps_per_execution
from wk_core.compat.keras.hooks import is_in_fit, last_batch_finder
from wk_core.compat.keras.optimizers import batches_trained, counting_optimizer
from wk_core.compat.keras.training import samples_seen
from wk_core.distribution import workers_strategy
from wk_core.epochs import EpochNumbers
from wk_core.state.rollback import rollbacks
from wk_metrics.batch_logger import BatchLogger
from wk_metrics.batches import Frequency
from wk_metrics.global_step import StartingPoint, global_step_of
from wk_metrics.learning_rate.tracker import LearningRates
from wk_metrics.row_writer import RowWriter
from wk_metrics.throughput import Throughput


@dataclass(frozen=True)
class MetricsSettings:
    """What a `WandbMetricsLogger` logs.

    Attributes:
        frequency: Which batches are logged.
        shows_throughput: Whether the epoch's row has the throughput.
        describes_model: Whether facts about the model are logged.
        reports_from_all: Whether each process logs its own throughput.
    """

    frequency: Frequency
    shows_throughput: bool
    describes_model: bool
    reports_from_all: bool

    @property
    def logs_batches(self) -> bool:
        """Whether batches have rows."""
        return self.frequency.every is not None

    @property
    def measures_throughput(self) -> bool:
        """Whether batches are timed."""
        return self.shows_throughput or self.reports_from_all


class FitLogger:
    """Logs the epochs and the batches of one `fit`.

    Args:
        run: The run.
        rows: Writes the rows.
        settings: What is logged.
        start: The given starting point of this `fit`; it is reset once used.
        epochs: The numbers of the epochs.
        model: The model that is trained.
        params: What Keras tells callbacks of this `fit`.
        writes: Whether this process logs the metrics.
        is_over: Whether the first epoch is over, in a loop that does not call the earlier hooks.

    Attributes:
        rates: The learning rates.
        batches: Logs the batches; None until the first epoch begins, or if they are not followed.
        throughput: Times the batches; None if it is not measured.
    """

    def __init__(
        self,
        run: wandb.Run,
        rows: RowWriter,
        settings: MetricsSettings,
        start: StartingPoint,
        epochs: EpochNumbers,
        *,
        model: Any,
        params: Mapping[str, Any] | None,
        writes: bool,
        is_over: bool,
    ) -> None:
        self._run = run
        self._rows = rows
        self._settings = settings
        self._start = start
        self._model = model
        self._params = params or {}
        self._writes = writes
        self._global_step = global_step_of(run)
        self._epochs = epochs
        self._samples: int | None = None
        self._rollbacks = 0
        self._trains_by_fit = is_in_fit(model)
        self._last_batch: Callable[[int], int] = int  # as it is, in a loop without epochs
        self.throughput = Throughput() if settings.measures_throughput else None
        self.batches: BatchLogger | None = None
        self.rates = LearningRates(
            model,
            batch_wise=settings.logs_batches,
            in_fit=self._trains_by_fit,
            afterwards=is_over,
        )
        if writes and not settings.logs_batches:
            rows.start_keeping()

    @property
    def must_read_batches(self) -> bool:
        """Whether the learning rates must be read after each batch."""
        return self.rates.must_be_read if self._settings.logs_batches else self.rates.may_change

    def number_of(self, epoch: int) -> int:
        """Returns the number of an epoch in the whole training.

        The first call also finds out where the training stands, and begins to follow the batches.

        Args:
            epoch: The number of the epoch in this `fit`, as Keras counts.
        """
        if not self._epochs.has_begun:
            self._epochs.resume_at(self._start.epoch)
            self._start.epoch = None
            self._epochs.begin(epoch)
            if self._settings.logs_batches or self.throughput is not None:
                self.batches = self._new_batch_logger(epoch)
        return self._epochs.number(epoch)

    def begin_epoch(self, epoch: int) -> None:
        """Begins an epoch."""
        self.number_of(epoch)
        self._epochs.begin(epoch)
        self._last_batch = last_batch_finder(self._model)
        self.rates.start_epoch()
        self._samples = None
        self._rollbacks = rollbacks()
        if self.batches is not None:
            self.batches.start_epoch()
        if self.throughput is not None:
            self.throughput.start_epoch()

    def begin_validation(self) -> None:
        """Records the epoch's number of samples before validation resets the metrics."""
        if self.throughput is not None:
            self._samples = self._samples_seen()

    def read_batch(self, batch: int) -> None:
        """Reads the learning rates of the batch that has just ended, if they must be read."""
        if not self._settings.logs_batches:
            self.rates.record_updates()
        elif self.batches is not None and self.rates.must_be_read:
            self.batches.read_rates(self._last_batch(batch))

    def end_batch(self, batch: int, logs: Mapping[str, Any]) -> None:
        """Logs the execution that Keras calls `batch` if it is due; called in any thread."""
        if self.batches is not None:
            self.batches.end(self._last_batch(batch), logs)

    def read_epoch(self) -> None:
        """Reads the learning rates of the epoch that has just ended, before callbacks log it."""
        self._rows.fetch_awaited()
        if self.batches is not None:
            self.batches.refresh_rates()
        self.rates.read_epoch()
        if self.batches is not None:
            self.complete_row()

    def end_batches(self) -> dict[str, float]:
        """Ends the epoch's batches; returns the epoch's throughput if it is measured."""
        if self.batches is None:
            return {}
        count = self.batches.end_epoch()
        self._global_step.remember(self._optimizer, self.batches.next_batch)
        if self.throughput is None:
            return {}
        samples = self._samples_seen() if self._samples is None else self._samples
        return self.throughput.metrics(count, samples)

    def log_epoch(self, number: int, logs: Mapping[str, Any], facts: Mapping[str, float]) -> None:
        """Logs an epoch.

        Args:
            number: The number of the epoch in the whole training.
            logs: What Keras reports.
            facts: More numbers for the row.
        """
        row = {"epoch": number, **self.rates.of_epoch(), **facts}
        if self.batches is not None and self._settings.logs_batches:
            self.batches.write("epoch", logs, row)
        else:
            self._rows.open("epoch", logs, row, step=number)

    def complete_row(self) -> None:
        """Closes the last row, before other callbacks add to the next one."""
        if self.batches is not None and self._settings.logs_batches:
            self.batches.complete()
        else:
            self._rows.complete()

    def close(self) -> None:
        """Waits until everything is logged.

        Raises:
            BaseException: The first error in the background that has not been raised yet.
        """
        try:
            if self.batches is not None:
                self.batches.close()
        finally:
            self.rates.close()
            self._rows.complete()
            self._rows.stop_keeping()

    @property
    def _optimizer(self) -> Any:
        """The optimizer whose count is that of the batches."""
        return counting_optimizer(self._model) if self._trains_by_fit else None

    def _trained(self) -> int | None:
        optimizer = self._optimizer
        if optimizer is None or rollbacks() != self._rollbacks:
            return None  # It was put back, and counts some batches twice.
        return batches_trained(optimizer)

    def _new_batch_logger(self, initial_epoch: int) -> BatchLogger:
        steps_per_epoch = self._params.get("steps")
        first_batch = self._global_step.start_batches(
            self._run,
            self._optimizer,
            initial_epoch=initial_epoch,
            first_epoch=self._epochs.number(initial_epoch),
            steps_per_epoch=steps_per_epoch,
            given=self._start.batch,
        )
        self._start.batch = None
        return BatchLogger(
            self._run,
            self._rows,
            self._settings.frequency if self._writes else Frequency(None),
            self.rates,
            count=self._trained,
            first_batch=first_batch,
            steps_per_epoch=steps_per_epoch,
            steps_per_execution=steps_per_execution(self._model),
        )

    def _samples_seen(self) -> int:
        if rollbacks() != self._rollbacks:
            return 0  # The metrics, which count them, were put back as well.
        # Several TensorFlow workers count their own, and only all together know the sum.
        return samples_seen(self._model) if workers_strategy(self._model) is None else 0
