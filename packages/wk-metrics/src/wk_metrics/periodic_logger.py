"""The base class of callbacks that log one row source every few epochs."""

import abc
from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol

import wandb

from wk_core.arguments import check_whole_number
from wk_core.async_logger import AsyncLogger
from wk_core.callback import RunCallback
from wk_core.compat.keras.flavour import keras
from wk_core.distribution import check_alone
from wk_core.epochs import EpochNumbers
from wk_metrics.row_source import RowFactory, RowSource


class PeriodicLogger(RunCallback, keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Logs a row source as a row of its own, at the end of every `every`-th epoch.

    Args:
        prefix: The prefix of the keys.
        run: The run to log to; None for the active run.
        every: The number of epochs from one row to the next.
    """

    _session: "EpochSession"

    def __init__(self, prefix: str, *, run: wandb.Run | None, every: int) -> None:
        super().__init__()
        self._prefix = prefix
        self._every = check_whole_number(every, "every", of="epochs")
        self._report_to(run)

    @abc.abstractmethod
    def _new_source(self) -> RowSource:
        """Returns a new row source."""

    def _begin_session(self, run: wandb.Run) -> "EpochSession":
        name = type(self).__name__
        return _Session(run, self._prefix, self._new_source(), name, every=self._every)

    @property
    def _is_in_fit(self) -> bool:
        return self._session.is_in_fit

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Prepares the row source for the model.

        Raises:
            ValueError: If the model or the data do not fit.
        """
        check_alone(self, self.model)
        self._session.begin_fit(self.model, self.params)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Finds the number of the epoch in the whole training."""
        self._session.begin_epoch(epoch)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Logs a row if the epoch is due."""
        self._session.end_epoch(epoch)

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Waits until everything is logged."""
        self._session.end_fit()


class EpochSession(Protocol):
    """What belongs to a callback that logs at the ends of epochs, and one run."""

    @property
    def is_in_fit(self) -> bool:
        """Whether a `fit` is running."""

    def begin_fit(self, model: Any, params: Mapping[str, Any] | None) -> None:
        """Begins a `fit`, after ending an earlier one that was interrupted."""

    def begin_epoch(self, epoch: int) -> None:
        """Begins an epoch."""

    def end_epoch(self, epoch: int) -> None:
        """Logs what is due at the end of an epoch."""

    def end_fit(self) -> None:
        """Waits until everything is logged."""


class _Session:
    """What belongs to a `PeriodicLogger` and one run.

    Args:
        run: The run.
        prefix: The prefix of the keys.
        source: The row source.
        name: The callback's class, for messages.
        every: The number of epochs from one row to the next.
    """

    def __init__(
        self, run: wandb.Run, prefix: str, source: RowSource, name: str, *, every: int
    ) -> None:
        self._run = run
        self._every = every
        self._source = source
        self._name = name
        self._rows: AsyncLogger | None = None
        self._epochs = EpochNumbers(run, "epoch")
        if not run.disabled:
            run.define_metric("epoch")
            run.define_metric(f"{prefix}/*", step_metric="epoch")

    @property
    def is_in_fit(self) -> bool:
        """Whether a `fit` is running."""
        return self._rows is not None

    def begin_fit(self, model: Any, params: Mapping[str, Any] | None) -> None:  # noqa: ARG002
        """Begins a `fit`, after ending an earlier one that was interrupted."""
        self.end_fit()
        self._epochs.begin_fit()
        if not self._run.disabled:
            self._source.begin(model)
            self._rows = AsyncLogger(self._run, self._name)

    def begin_epoch(self, epoch: int) -> None:
        """Finds the number of the epoch in the whole training."""
        self._epochs.begin(epoch)

    def end_epoch(self, epoch: int) -> None:
        """Counts the epoch, and logs a row every so many epochs of the whole training."""
        number = self._epochs.number(epoch)
        self._epochs.end(epoch)
        if self._rows is not None and (number + 1) % self._every == 0:
            self._rows.log(partial(_row, number, self._source.take(number)))

    def end_fit(self) -> None:
        """Waits until everything is logged."""
        rows, self._rows = self._rows, None
        if rows is not None:
            rows.close()


def _row(epoch: int, make_row: RowFactory) -> dict[str, Any]:
    return {"epoch": epoch, **make_row()}
