"""What the callbacks share that log one part of `WandbCallback` alone."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import wandb

from wk_core.keras import keras
from wk_core.row_log import RowLog
from wk_core.run import resolve_run
from wk_legacy.part import MakeRow, Part


class PartLogger(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Logs a part as a row of its own at the end of an epoch.

    Args:
        part: The part.
        prefix: What its keys begin with.
        run: The run to log to; None for the active one.
        every: After every how many epochs.
    """

    def __init__(self, part: Part, prefix: str, *, run: wandb.Run | None, every: int) -> None:
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise ValueError(
                f"`every` must be a whole number of epochs, 1 or more. Received: every={every!r}"
            )
        super().__init__()
        self._run = resolve_run(type(self).__name__, run)
        self._part = part
        self._every = every
        self._rows: RowLog | None = None
        self._next_epoch = 0
        self._epoch_offset = 0
        self._begins = False
        if not self._run.disabled:
            self._run.define_metric("epoch")
            self._run.define_metric(f"{prefix}/*", step_metric="epoch")

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Looks whether there is something to log of the model."""
        self._end()
        self._begins = True
        if not self._run.disabled:
            self._part.begin(self.model)
            self._rows = RowLog(self._run, type(self).__name__)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Goes on counting where an earlier `fit` ended."""
        if self._begins:
            self._epoch_offset = max(0, self._next_epoch - epoch)
            self._begins = False

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Logs the row, if it is its turn."""
        number = epoch + self._epoch_offset
        self._next_epoch = number + 1
        if self._rows is not None and (epoch + 1) % self._every == 0:
            self._rows.log(partial(_row, number, self._part.take(number)))

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Waits until everything is logged."""
        self._end()

    def _end(self) -> None:
        rows, self._rows = self._rows, None
        if rows is not None:
            rows.close()


def _row(epoch: int, make_row: MakeRow) -> dict[str, Any]:
    return {"epoch": epoch, **make_row()}
