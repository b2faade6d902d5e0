"""The work of a `WandbCallback` for its run: one row an epoch, and the best model."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import wandb

from wk_core.async_logger import AsyncLogger
from wk_core.compat.keras.training import sync_state
from wk_core.logs import NumberFilter
from wk_core.monitor import BestValue, Direction, MonitoredMetric
from wk_legacy.arguments import Arguments
from wk_legacy.batch_rows import BatchRows
from wk_legacy.best_model import BestModel
from wk_legacy.components import build_components, build_components_of_fit
from wk_legacy.model_facts import model_facts
from wk_metrics.row_source import RowFactory, RowSource


class TrainingLog:
    """Logs the trainings of one callback to one run, and saves the best model.

    It is the callback's session: it holds everything that belongs to the run or to a `fit`.

    Args:
        arguments: The callback's arguments.
        run: The run.
        owner: The callback.
    """

    def __init__(self, arguments: Arguments, run: wandb.Run, owner: Any) -> None:
        self._arguments = arguments
        self._run = run
        self._owner = owner
        self._numbers = NumberFilter(type(owner).__name__)
        self._components = build_components(arguments, run)
        self._components_of_fit: Sequence[RowSource] = ()
        self._metric = MonitoredMetric(arguments.monitor, arguments.mode, self._earlier_best())
        self._best = BestValue(self._metric, "WandbCallback")
        self._best_model: BestModel | None = None
        if arguments.save_model:
            self._best_model = BestModel(
                run,
                owner,
                monitor=arguments.monitor,
                weights_only=arguments.save_weights_only,
                verbose=arguments.verbose,
            )
        self._model_info_is_due = arguments.save_graph or arguments.compute_flops
        self._rows: AsyncLogger | None = None
        self._batches: BatchRows | None = None

    @property
    def is_open(self) -> bool:
        """Whether a `fit` is running."""
        return self._rows is not None

    def set_params(self, params: Mapping[str, Any]) -> None:
        """Sets the parameters of a `fit`."""
        if self._best_model is not None:
            self._best_model.set_params(params)

    def set_model(self, model: Any) -> None:
        """Sets the model."""
        if self._best_model is not None:
            self._best_model.set_model(model)

    def begin(self) -> None:
        """Begins a `fit`.

        Raises:
            ValueError: If data, model and arguments do not fit.
            TypeError: If the data are of a kind that is not supported.
        """
        self._close()  # an earlier `fit` may have been interrupted
        if not self._components_of_fit:
            self._components_of_fit = build_components_of_fit(self._arguments, self._run)
        for component in self._all_components:
            component.begin(self._model)
        self._rows = AsyncLogger(self._run, type(self._owner).__name__)
        frequency = self._arguments.batch_frequency
        if frequency is not None:
            steps = (self._owner.params or {}).get("steps")
            self._batches = BatchRows(self._log_batch, frequency, self._model, steps)
        if self._best_model is not None:
            self._best_model.on_train_begin()
        self._log_model_info()

    def begin_epoch(self, epoch: int) -> None:
        """Begins an epoch."""
        if self._batches is not None:
            self._batches.start_epoch()
        if self._best_model is not None:
            self._best_model.on_epoch_begin(epoch)

    def end_batch(self, batch: int, logs: Mapping[str, Any]) -> None:
        """Logs a batch if it is due."""
        if self._batches is not None:
            self._batches.end(batch, logs)

    def end_epoch(self, epoch: int, logs: Mapping[str, Any]) -> None:
        """Logs an epoch, and saves the model if the epoch is the best.

        Raises:
            ValueError: If neither the monitored metric nor its name says whether less or more is
                better.
            BaseException: An error of the background thread.
        """
        if self._batches is not None:
            self._batches.end_epoch()
        self._log_model_info(is_trained=True)
        sync_state(self._model)
        makers = [component.take(epoch) for component in self._all_components]
        numbers = self._numbers(logs)
        self._open_rows.log(partial(_row, {**numbers, "epoch": epoch}, makers))
        self._check_best(epoch, numbers)

    def end(self) -> None:
        """Waits until everything is logged and saved.

        Raises:
            BaseException: An error of the background thread.
        """
        try:
            for component in self._all_components:
                make_row = component.end()
                if make_row is not None:
                    self._open_rows.log(make_row)
            self._close()
        finally:
            if self._best_model is not None:
                self._best_model.on_train_end()

    def state(self) -> dict[str, Any]:
        """Returns what `restore` passes to a resumed training."""
        return {"best": self._metric.best}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continues from the state of a restored training."""
        self._metric.best = state["best"]

    @property
    def _all_components(self) -> Sequence[RowSource]:
        return (*self._components, *self._components_of_fit)

    @property
    def _model(self) -> Any:
        return self._owner.model

    @property
    def _open_rows(self) -> AsyncLogger:
        if self._rows is None:  # a custom loop that does not call `on_train_begin`
            self._rows = AsyncLogger(self._run, type(self._owner).__name__)
        return self._rows

    def _close(self) -> None:
        rows, self._rows = self._rows, None
        if rows is not None:
            rows.close()

    def _log_batch(self, logs: Mapping[str, Any]) -> None:
        if self._rows is not None:  # Keras' threads may call the hook after the end of `fit`
            self._rows.log(lambda: dict(self._numbers(logs)))

    def _log_model_info(self, *, is_trained: bool = False) -> None:
        # Some models never count as built, as those without a `call`; once trained, they are.
        if self._model_info_is_due and (self._model.built or is_trained):
            self._model_info_is_due = False
            facts = model_facts(
                self._model,
                graph=self._arguments.save_graph,
                flops=self._arguments.compute_flops,
            )
            self._open_rows.submit(partial(self._run.summary.update, facts))

    def _check_best(self, epoch: int, numbers: Mapping[str, float]) -> None:
        """Logs and saves the epoch if it is better than all before it."""
        value = numbers.get(self._metric.monitor)
        if value is None:
            consequence = "no epoch is the best, and no model is saved for it"
            self._best.warn_missing(numbers, consequence)
            return
        direction = self._best.required_direction(self._model)
        if self._best.improves(value):
            self._log_best(epoch, numbers, direction)

    def _log_best(self, epoch: int, numbers: Mapping[str, float], direction: Direction) -> None:
        prefix, monitor = self._arguments.log_best_prefix, self._metric.monitor
        if prefix is not None:
            entries = {f"{prefix}{monitor}": self._metric.best, f"{prefix}epoch": epoch}
            self._open_rows.submit(partial(self._run.summary.update, entries))
        if self._best_model is not None:
            self._best_model.save(epoch, numbers, direction)

    def _earlier_best(self) -> float | None:
        prefix = self._arguments.log_best_prefix
        if prefix is None:
            return None
        summary: Any = self._run.summary  # wandb leaves its methods untyped
        value = summary.get(f"{prefix}{self._arguments.monitor}")
        is_number = isinstance(value, (int, float)) and value == value
        return float(value) if is_number else None  # `define_metric` may change its form


def _row(numbers: Mapping[str, float], makers: Sequence[RowFactory]) -> dict[str, Any]:
    """Makes an epoch's row."""
    row: dict[str, Any] = dict(numbers)
    for make in makers:
        row.update(make())
    return row
