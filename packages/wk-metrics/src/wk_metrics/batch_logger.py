"""Batch rows, on their way from Keras' hooks to the run."""

import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import wandb

from wk_core.background import Background
from wk_core.keras import backend
from wk_core.run import before_finish
from wk_metrics.batches import EpochBatches, Execution, Frequency
from wk_metrics.learning_rate.rates import LazyValue
from wk_metrics.learning_rate.tracker import LearningRates
from wk_metrics.row_writer import RowWriter

# How many rows may wait for W&B, some megabytes of them; then training waits.
_CAPACITY: Final = 4096
# How long an interrupted fit waits, in seconds, for end-of-batch hooks that Keras still holds in
# its pool of threads; and for that of the last batch, which may never have come to its end.
_GRACE: Final = 10.0
_LAST_GRACE: Final = 1.0


class BatchLogger:
    """Logs the batches of one `fit` that are due, in order, from a background thread.

    The hooks hand over what Keras gave them; numbering, the learning rate, the conversion and
    `run.log` are done behind them. Where W&B cannot keep up, training waits: nothing is dropped.

    Args:
        run: The run.
        rows: Writes the rows.
        frequency: Which batches are due.
        rates: The learning rates.
        count: Returns how many batches the model was trained on so far; None where that does not
            show. It tells how long an epoch was.
        first_batch: The number, within the training, of the fit's first batch.
        steps_per_epoch: How long an epoch is, where it is known beforehand.
        steps_per_execution: Batches between two calls of the hooks.
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
        self._newest: int | None = None  # the first batch of the execution that began last
        self._pooled = backend() != "tensorflow"
        self._trainer = threading.get_ident()
        self._background = Background("wk_metrics.batch_logger", capacity=_CAPACITY)
        self._has_written = False
        self._leaves_open = False
        self._is_closed = False
        self._stop_draining = self._run_rows.before_users(self._background.drain)
        self._withdraw = before_finish(run, self._close_interrupted)

    @property
    def next_batch(self) -> int:
        """The number, within the training, of the batch to come."""
        return self._epoch_start + self._batches.count

    def start_epoch(self) -> None:
        """Begins a new epoch behind the batches of the last one."""
        self._epoch_start = self.next_batch
        self._batches = EpochBatches(self._stride)
        self._newest = None
        self._trained_before = None if self._stride == 1 else self._count()

    def begin(self, first: int) -> None:
        """Notes, in the training thread, that batch `first` of the epoch begins."""
        self._begun += 1
        self._background.wait_for_room()
        if self._has_written:
            self._has_written = False
            if self._leaves_open or self._run_rows.is_open:
                self.complete()
        if self._rates.are_outdated:
            self.look_behind()
            self._rates.look_again(first)
        self._newest = first

    def look_behind(self) -> None:
        """Looks up, in the training thread, which optimizer the newest execution was trained by.

        To be called when it is over, and before the next one.
        """
        if self._newest is not None:
            self._rates.look_behind(self._newest, self._newest + self._stride - 1)

    def read_rates(self, last: int) -> None:
        """Reads, in the training thread, what is to be known of the execution that just ended.

        To be called before `end`, and only where the rates must be read.
        """
        first = last + 1 - self._stride
        if self._is_due(first, last) or self._is_due(last + 1, last + self._stride):
            self._rates.read(first, last)

    def end(self, last: int, logs: Mapping[str, Any]) -> None:
        """Takes what the hook got at the end of batch `last`, in any thread and order."""
        pooled = threading.get_ident() != self._trainer
        outdated = self._rates.are_outdated
        if outdated and not pooled:
            self.look_behind()
        with self._lock:
            self._batches.add(last, dict(logs))
            # In a pool, an optimizer that came meanwhile is looked up before the next batch begins.
            if not (outdated and pooled):
                for execution in self._batches.ready():
                    self._submit(execution)
            self._ended += 1
            self._pooled = pooled

    def end_epoch(self) -> int:
        """Logs what is left of the epoch; returns how many batches it had."""
        self.look_behind()
        with self._lock:
            for execution in self._batches.end(self._true_count()):
                self._submit(execution)
        return self._batches.count

    def complete(self) -> None:
        """Closes the last row, if it was left open, or if the user has opened one behind it."""
        with self._lock:
            self._has_written = False
            self._complete()

    def write(self, prefix: str, logs: Mapping[str, Any], facts: Mapping[str, LazyValue]) -> None:
        """Writes a row behind those that were handed over before."""
        with self._lock:
            self._write(prefix, dict(logs), facts)

    def close(self) -> None:
        """Waits until everything is logged.

        Raises:
            BaseException: The first error in the background that nobody has been told of.
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
        if self._is_closed:  # with the run, which says so where it is told of another row
            self._rows.write(prefix, logs, facts)
            return
        self._has_written = True
        stays_open = self._run_rows.is_shared
        if stays_open:
            # The user's values of the same batch may come before it, and behind it.
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
        """Returns how many batches the epoch had; the hooks count past the last one."""
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

    def _close_interrupted(self) -> None:
        """Closes before the run finishes, after a `fit` that never came to its end."""
        error = self._close()
        if error is not None:
            wandb.termerror(f"WandbMetricsLogger could not log all batches: {error!r}")

    def _await_hooks(self) -> None:
        if not self._pooled:
            return
        now = time.monotonic()
        for missing, deadline in ((1, now + _GRACE), (0, now + _LAST_GRACE)):
            while self._begun - self._ended > missing and time.monotonic() < deadline:
                time.sleep(0.01)
