"""Rows of a run's history: their keys, their numbers and their place among the user's own rows."""

from collections.abc import Mapping
from typing import Any

import wandb

from wk_core.axes import last_row
from wk_metrics.numbers import NumberFilter
from wk_metrics.rate import Deferred


class RowWriter:
    """Writes the rows of one logger to its run.

    Args:
        run: The run.
    """

    def __init__(self, run: wandb.Run) -> None:
        self._run = run
        self._numbers = NumberFilter("WandbMetricsLogger")
        self._open_step: int | None = None
        self._logged: dict[str, int] = {}

    def leave_out_logged(self) -> None:
        """From now on leaves out the batches and epochs that a resumed run has logged already."""
        self._logged = {
            name: last
            for name in ("epoch/epoch", "batch/batch_step")
            if (last := last_row(self._run, name)) is not None
        }

    def write(
        self, prefix: str, logs: Mapping[str, Any], facts: Mapping[str, Deferred] | None = None
    ) -> None:
        """Writes a row that is complete."""
        row = self._row(prefix, logs, facts or {})
        if not self._is_logged(row):
            self._run.log(row)

    def open(
        self, prefix: str, logs: Mapping[str, Any], facts: Mapping[str, Deferred], step: int
    ) -> None:
        """Writes a row that others may add to, under W&B's step `step` where it is not past.

        Rows that the user logs for the same step, before or after this one, become part of it
        instead of being dropped. `complete` closes it.
        """
        row = self._row(prefix, logs, facts)
        if self._is_logged(row):
            return
        if self._run.settings.mode == "shared":  # has no steps
            self._run.log(row)
            return
        if step > self._current_step:
            self._open_step = step
            self._run.log(row, step=step)
        else:
            # Not by number: other threads and processes may log meanwhile, and pass it.
            self._run.log(row, commit=False)
            self._open_step = self._current_step

    @property
    def _current_step(self) -> int:
        # Online, a resumed run's `step` is 0 until its first row.
        return max(self._run.step, self._run.starting_step)

    def complete(self) -> None:
        """Closes the open row, so that it is sent; does nothing where none is open."""
        step, self._open_step = self._open_step, None
        if step is not None and self._run.step <= step:
            self._run.log({}, step=step, commit=True)

    def _is_logged(self, row: Mapping[str, int | float]) -> bool:
        return any(row.get(name, last + 1) <= last for name, last in self._logged.items())

    def _row(
        self, prefix: str, logs: Mapping[str, Any], facts: Mapping[str, Deferred]
    ) -> dict[str, int | float]:
        numbers = self._numbers(logs)
        numbers.update({key: fact() if callable(fact) else fact for key, fact in facts.items()})
        return {f"{prefix}/{key}": number for key, number in numbers.items()}
