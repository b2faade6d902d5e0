"""Writing the rows of a logger between the user's own rows."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import wandb

from wk_core.axes import last_row
from wk_core.logs import NumberFilter
from wk_core.run_rows import rows_of
from wk_metrics.learning_rate.rates import LazyValue


class RowWriter:
    """Writes the rows of one logger to its run.

    Args:
        run: The run.

    Attributes:
        run_rows: All rows of the run, including those of other loggers and of the user.
    """

    def __init__(self, run: wandb.Run) -> None:
        self._run = run
        self._numbers = NumberFilter("WandbMetricsLogger")
        self.run_rows = rows_of(run)
        self._open_step: int | None = None
        self._keeps_open = False
        self._logged: dict[str, int] = {}

    def leave_out_logged(self) -> None:
        """Skips the batches and epochs that the resumed run has already logged."""
        self._logged = {
            name: last
            for name in ("epoch/epoch", "batch/batch_step")
            if (last := last_row(self._run, name)) is not None
        }

    def write(
        self,
        prefix: str,
        logs: Mapping[str, Any],
        facts: Mapping[str, LazyValue] | None = None,
        *,
        stays_open: bool = False,
    ) -> None:
        """Writes a complete row, or a row that stays open until `commit`."""
        row = self._row(prefix, logs, facts or {})
        if not self._is_logged(row):
            self.run_rows.log(self._run, row, commit=False if stays_open else None)

    def commit(self) -> None:
        """Closes the open row, even if another logger or the user has opened it."""
        self.run_rows.complete(self._run)

    def start_keeping(self) -> None:
        """Keeps each row open until the next one, so that others can add to it."""
        if not self._keeps_open and self._run.settings.mode != "shared":
            self._keeps_open = True
            self.run_rows.start_keeping()

    def stop_keeping(self) -> None:
        """Closes the last row, and keeps rows open no longer."""
        if self._keeps_open:
            self._keeps_open = False
            self.run_rows.stop_keeping()
            self.run_rows.when_quiet(self.commit)

    def open(
        self, prefix: str, logs: Mapping[str, Any], facts: Mapping[str, LazyValue], step: int
    ) -> None:
        """Opens a row that others can add to, at W&B's step `step` unless that has passed.

        Rows that the user logs for the same step, before or after it, become part of it instead of
        being dropped. `complete` closes it.
        """
        row = self._row(prefix, logs, facts)
        if self._is_logged(row) or self.run_rows.has_finished(self._run):
            return
        if self.run_rows.is_due:
            self.run_rows.fetch_awaited()
        self.run_rows.when_quiet(None)
        if self._run.settings.mode == "shared":  # has no steps
            self.run_rows.log(self._run, row)
            return
        self._open_step = self.run_rows.open(self._run, row, step)

    def fetch_awaited(self) -> None:
        """Waits until other callbacks have added to the row of the epoch before this one."""
        if self._keeps_open:
            self.run_rows.fetch_awaited()

    def complete(self) -> None:
        """Closes the open row, so that it is sent; does nothing if no row is open.

        If other callbacks are still adding to the row, it is closed after them; the caller does not
        wait.
        """
        step, self._open_step = self._open_step, None
        if step is not None:
            self.run_rows.when_quiet(partial(self._complete, step))

    def _complete(self, step: int) -> None:
        if not self.run_rows.has_finished(self._run):
            self.run_rows.complete_step(self._run, step)

    def _is_logged(self, row: Mapping[str, int | float]) -> bool:
        return any(row.get(name, last + 1) <= last for name, last in self._logged.items())

    def _row(
        self, prefix: str, logs: Mapping[str, Any], facts: Mapping[str, LazyValue]
    ) -> dict[str, int | float]:
        numbers = self._numbers(logs)
        for key, fact in facts.items():
            number = fact() if callable(fact) else fact
            if number is not None:
                numbers[key] = number
        return {f"{prefix}/{key}": number for key, number in numbers.items()}
