"""What the callbacks share that log one part of `WandbCallback` alone."""

import abc
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

import wandb

from wk_core.alone import check_alone
from wk_core.copying import WithoutItsRun
from wk_core.epochs import epochs_of
from wk_core.keras import keras
from wk_core.row_log import RowLog
from wk_metrics.row_source import RowFactory, RowSource


class PeriodicLogger(WithoutItsRun, keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Logs a part as a row of its own at the end of an epoch.

    Args:
        prefix: What its keys begin with.
        run: The run to log to; None for the active one.
        every: After every how many epochs.
    """

    _not_copied: ClassVar[frozenset[str]] = frozenset({"_run", "_part", "_rows", "_epochs"})

    def __init__(self, prefix: str, *, run: wandb.Run | None, every: int) -> None:
        super().__init__()
        self._prefix = prefix
        self._every = _checked_every(every)
        self._report_to(run)

    @abc.abstractmethod
    def _new_part(self) -> RowSource:
        """Returns the part."""

    def _bind(self, run: wandb.Run) -> None:
        self._run = run
        self._part = self._new_part()
        self._rows: RowLog | None = None
        self._epochs = epochs_of(run)
        self._epochs.add_axis("epoch")
        self._epoch_offset: int | None = None
        if not run.disabled:
            run.define_metric("epoch")
            run.define_metric(f"{self._prefix}/*", step_metric="epoch")

    @property
    def _is_in_fit(self) -> bool:
        return self._rows is not None

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Looks whether there is something to log of the model."""
        check_alone(self, self.model)
        self._end()
        self._epoch_offset = None
        if not self._run.disabled:
            self._part.begin(self.model)
            self._rows = RowLog(self._run, type(self).__name__)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Goes on counting where an earlier `fit` ended."""
        if self._epoch_offset is None:
            self._epoch_offset = self._epochs.before(self._run, epoch)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Logs the row, if it is its turn."""
        number = epoch + (self._epoch_offset or 0)
        self._epochs.next = number + 1
        if self._rows is not None and (epoch + 1) % self._every == 0:
            self._rows.log(partial(_row, number, self._part.take(number)))

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Waits until everything is logged."""
        self._end()

    def _end(self) -> None:
        rows, self._rows = self._rows, None
        if rows is not None:
            rows.close()


def _row(epoch: int, make_row: RowFactory) -> dict[str, Any]:
    return {"epoch": epoch, **make_row()}


def _checked_every(every: Any) -> int:
    if isinstance(every, bool) or not isinstance(every, int) or every < 1:
        raise ValueError(
            f"`every` must be a whole number of epochs, 1 or more. Received: every={every!r}"
        )
    return every
