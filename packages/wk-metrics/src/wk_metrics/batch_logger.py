"""Logging batches behind the training."""

import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import wandb

from wk_core.compat.keras.flavour import backend
from wk_core.run import close_before_finish
from wk_core.task_queue import TaskQueue
from wk_metrics.batches import EpochBatches, Execution, Frequency
from wk_metrics.learning_rate.rates import LazyValue
from wk_metrics.learning_rate.tracker import LearningRates
from wk_metrics.row_writer import RowWriter

# The number of rows, some megabytes, that may wait for W&B before training waits.
_CAPACITY: Final = 4096
# How long an interrupted fit waits, in seconds, for end-of-batch hooks that Keras still holds in
# its pool of threads, and for the hook of the last batch, which may never have ended.
_GRACE: Final = 10.0
_LAST_GRACE: Final = 1.0


class BatchLogger:
    """Logs the batches of one `fit` that are due, in order, from a background thread.

    The hooks only pass on the logs; a background thread converts them, computes the learning rate
    and calls `run.log`. If W&B cannot keep up, training waits: no row is dropped.

    Args:
        run: The run.
        rows: Writes the rows.
        frequency: Which batches are due.
        rates: The learning rates.
        count: Returns the number of batches that the model was trained on so far, from which the
            length of an epoch follows; None if it is not known.
        first_batch: The number of the first batch of the `fit` in the whole training.
        steps_per_epoch: The number of batches in an epoch; None if it is not known beforehand.
        steps_per_execution: The number of batches between two calls of the hooks.
    """

    def __init__(
        self,
        run: wandb.Run,
        rows: RowWriter,
        frequency: Frequency,
        rates: LearningRates,
        *,
        count: Callable[[], int | None],
        first_batch: int,
        steps_per_epoch: int | None,
        steps_per_execution: int,
    ) -> None:
        self._rows = rows
        self._run_rows = rows.run_rows
        self._frequency = frequency
        self._rates = rates
        self._count = count
        self._trained_before: int | None = None
        self._steps_per_epoch = steps_per_epoch
        self._stride = steps_per_execution
        self._epoch_start = first_batch
        self._batches = EpochBatches(steps_per_execution)
        self._lock = threading.Lock()
        self._begun = 0
        self._ended = 0
        self._newest: int | None = None  # first batch of the newest execution
        self._pooled = backend() != "tensorflow"
        self._trainer = threading.get_ident()
        self._background = TaskQueue("wk_metrics.batch_logger", capacity=_CAPACITY)
        self._has_written = False
        self._leaves_open = False
        self._is_closed = False
        self._stop_draining = self._run_rows.before_users(self._background.drain)
        self._withdraw = close_before_finish(run, self._close, "WandbMetricsLogger")

    @property
    def next_batch(self) -> int:
        """The number of the next batch in the whole training."""
        return self._epoch_start + self._batches.count

    def start_epoch(self) -> None:
        """Begins an epoch after the batches of the last epoch."""
        self._epoch_start = self.next_batch
        self._batches = EpochBatches(self._stride)
        self._newest = None
        self._trained_before = None if self._stride == 1 else self._count()

    def begin(self, first: int) -> None:
        """Records, in the training thread, that batch `first` of the epoch begins."""
        self._begun += 1
        self._background.wait_for_room()
        if self._has_written:
            self._has_written = False
            if self._leaves_open or self._run_rows.is_open:
                self.complete()
        if self._rates.are_outdated:
            self.refresh_rates()
            self._rates.refresh(first)
        self._newest = first

    def refresh_rates(self) -> None:
        """Looks up, in the training thread, which optimizer trained the newest execution.

        To be called between this execution and the next.
        """
        if self._newest is not None:
            self._rates.refresh_after(self._newest, self._newest + self._stride - 1)

    def read_rates(self, last: int) -> None:
        """Reads, in the training thread, the rates of the execution that has just ended.

        To be called before `end`, and only if the rates must be read.
        """
        first = last + 1 - self._stride
        if self._is_due(first, last) or self._is_due(last + 1, last + self._stride):
            self._rates.read(first, last)

    def end(self, last: int, logs: Mapping[str, Any]) -> None:
        """Logs batch `last` of the epoch if it is due; called in any thread and order."""
        pooled = threading.get_ident() != self._trainer
        outdated = self._rates.are_outdated
        if outdated and not pooled:
            self.refresh_rates()
        with self._lock:
            self._batches.add(last, dict(logs))
            # In a pool, a new optimizer is looked up before the next batch begins.
            if not (outdated and pooled):
                for execution in self._batches.ready():
                    self._submit(execution)
            self._ended += 1
            self._pooled = pooled

    def end_epoch(self) -> int:
        """Logs the rest of the epoch; returns the number of its batches."""
        self.refresh_rates()
        with self._lock:
            for execution in self._batches.end(self._true_count()):
                self._submit(execution)
        return self._batches.count

    def complete(self) -> None:
        """Closes the last row if it is open, or the row that the user has opened after it."""
        with self._lock:
            self._has_written = False
            self._complete()

    def write(self, prefix: str, logs: Mapping[str, Any], facts: Mapping[str, LazyValue]) -> None:
        """Writes a row after the rows of earlier calls."""
        with self._lock:
            self._write(prefix, dict(logs), facts)

    def close(self) -> None:
        """Waits until everything is logged.

        Raises:
            BaseException: The first error in the background that has not been raised yet.
        """
        error = self._close()
        if error is not None:
            raise error

    def _is_due(self, first: int, last: int) -> bool:
        return self._frequency.is_due(self._epoch_start + first, self._epoch_start + last)

    def _submit(self, execution: Execution) -> None:
        first, last, logs = execution
        if not self._is_due(first, last):
            return
        facts = self._rates.of_batch(first, last)
        facts["batch_step"] = self._epoch_start + last
        self._write("batch", logs, facts)

    def _write(self, prefix: str, logs: Mapping[str, Any], facts: Mapping[str, LazyValue]) -> None:
        if self._is_closed:  # the run has finished, which `rows` says if it gets another row
            self._rows.write(prefix, logs, facts)
            return
        self._has_written = True
        stays_open = self._run_rows.is_shared
        if stays_open:
            # The user's values of the same batch may come before or after it.
            if self._leaves_open:
                self._complete()
            self._rows.start_keeping()
        self._leaves_open = stays_open
        write = partial(self._rows.write, prefix, logs, facts, stays_open=stays_open)
        self._background.submit(write)

    def _complete(self) -> None:
        if (self._leaves_open or self._run_rows.is_open) and not self._is_closed:
            self._leaves_open = False
            self._background.submit(self._rows.commit)

    def _true_count(self) -> int | None:
        """Returns the number of batches of the epoch, which the hooks may exceed."""
        if self._stride == 1:
            return None
        before, now = self._trained_before, self._count()
        trained = 0 if before is None or now is None else now - before
        return trained if trained > 0 else self._steps_per_epoch

    def _close(self) -> BaseException | None:
        self._withdraw()
        self._await_hooks()
        self.end_epoch()
        if self._leaves_open:
            self.complete()
        self._stop_draining()
        self._rates.close()
        with self._lock:
            self._is_closed = True
        error = self._background.close()
        self._rows.stop_keeping()
        return error

    def _await_hooks(self) -> None:
        if not self._pooled:
            return
        now = time.monotonic()
        for missing, deadline in ((1, now + _GRACE), (0, now + _LAST_GRACE)):
            while self._begun - self._ended > missing and time.monotonic() < deadline:
                time.sleep(0.01)
