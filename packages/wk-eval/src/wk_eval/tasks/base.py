"""The base class of the ready-made evaluations."""

import abc
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import wandb
from PIL import Image as PILImage

from wk_core.arguments import check_whole_number
from wk_core.artifacts import check_name
from wk_core.data.structures import map_arrays, with_tuples
from wk_core.preserved_state import preserve_random_state
from wk_eval.data.samples import Samples, draw_samples
from wk_eval.data.structures import select
from wk_eval.eval_callback import WandbEvalCallback
from wk_eval.plots.drawings import grid_picture
from wk_eval.tables.example_cells import ExampleCells
from wk_eval.tables.image import TableImage
from wk_eval.tables.spooled_table import SpooledTable
from wk_eval.tasks.prediction_history import PredictionHistory

_MOST_SHOWN: Final = 16


class Results(Protocol):
    """Collects the predictions of one epoch and evaluates them.

    The background thread calls all methods, so pictures and charts do not delay the training.
    """

    def add_batch(self, start: int, outputs: Any) -> None:
        """Adds the model's outputs for the examples from index `start` on."""

    def worst_first(self) -> npt.NDArray[np.intp]:
        """Returns example indices, worst prediction first."""

    def cells(self, number: int) -> list[Any]:
        """Returns an example's cells in the result columns."""

    def caption(self, number: int) -> list[str]:
        """Returns short lines of text about the prediction for an example."""

    def tracked_values(self) -> list[Any]:
        """Returns the value of each example that `PredictionHistory` records."""

    def report(self) -> Mapping[str, Any]:
        """Returns metrics, charts and pictures for the run, by key."""


class Evaluation(WandbEvalCallback):
    """Base class of the ready-made evaluations.

    A subclass checks the samples in `_inspect`, names its columns, and makes the `Results` of each
    evaluation. The training thread only predicts, a batch at a time. The background thread does
    everything else.
    """

    _result_columns: Sequence[str]
    _truth_columns: Sequence[str]

    def __init__(
        self,
        data: Any,
        *,
        num_samples: int | None,
        batch_size: int,
        output: str | int | None,
        show: Callable[[Any], Any] | None,
        name: str,
        run: wandb.Run | None,
        every: int,
        aliases: Sequence[str],
    ) -> None:
        if num_samples is not None:
            num_samples = check_whole_number(
                num_samples, "num_samples", of="examples", or_else="None for all"
            )
        batch_size = check_whole_number(batch_size, "batch_size", of="examples")
        check_name(name, what=f"{type(self).__name__}: the artifact of examples")
        self._data = data
        self._num_samples = num_samples
        self._batch_size = batch_size
        self._output = output
        self._show = show
        self._name = self._key_prefix = name
        self._drawn: Samples | None = None
        self._cells = ExampleCells()
        super().__init__([], [], run=run, every=every, aliases=aliases)

    def __getstate__(self) -> dict[str, Any]:
        # The examples go with the copy: not all data can be pickled, or drawn from twice.
        self._draw()
        return {**super().__getstate__(), "_data": None}

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Chooses the examples, checks that the model fits them, and logs them.

        Raises:
            ValueError: If data, model and arguments do not fit together.
            TypeError: If the data are of a kind that is not supported.
        """
        if not self._session.run.disabled:
            self._session.end_fit()
            self._draw()
            with self._predictor().batches(self._samples, self._batch_size, most=1) as batches:
                self._inspect(self._chosen_output(next(batches)[1]))
            shown = self._shown_cells(0)
            self.data_table_columns = ["id", *shown, *self._truth_columns]
            self.pred_table_columns = ["epoch", *self.data_table_columns, *self._result_columns]
            self._session.history = PredictionHistory()
        super().on_train_begin(logs)
        if not self._session.run.disabled:
            self._session.logger.last = self._log_history

    def add_ground_truth(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Writes the examples to the data table, in the background."""
        self._session.logger.submit(partial(self.data_table.write, self._data_rows()))

    def add_model_predictions(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Predicts; the background writes the predictions to their table, and a row to the run."""
        results = self._new_results()
        with self._predictor().batches(self._samples, self._batch_size) as batches:
            for start, outputs in batches:
                self._session.logger.submit(
                    partial(results.add_batch, start, self._chosen_output(outputs))
                )
        number = self._session.epochs.number(epoch)
        self._session.logger.submit(partial(self._write, self.pred_table, number, results))
        if self._session.epochs.is_new(number):
            self._session.logger.log(partial(self._row, number, results))

    def init_data_table(self, column_names: list[str]) -> None:
        """Sets `data_table` to an empty table, whose columns take values of one type each."""
        self.data_table = self._session.logger.table(column_names)

    def init_pred_table(self, column_names: list[str]) -> None:
        """Sets `pred_table` to an empty table, whose columns take values of one type each."""
        self.pred_table = self._session.logger.table(column_names, source=self.data_table_ref)

    @abc.abstractmethod
    def _inspect(self, outputs: Any) -> None:
        """Checks samples and options, given the model's outputs for the first samples."""

    @abc.abstractmethod
    def _new_results(self) -> Results:
        """Returns an empty `Results` for an epoch."""

    @abc.abstractmethod
    def _truth_cells(self, number: int) -> list[Any]:
        """Returns an example's cells in the truth columns."""

    def _predicted_cells(self, known: list[Any], number: int, results: Results) -> list[Any]:
        """Returns a row of the predictions without the epoch, given the example's row."""
        return [*known, *results.cells(number)]

    def _picture(self, known: list[Any], number: int, results: Results) -> PILImage.Image | None:  # noqa: ARG002
        """Returns an example's picture for a grid, given its row; None if it has no picture."""
        for cell in known:
            if isinstance(cell, TableImage):
                return PILImage.fromarray(cell.content.pixels())
        return None

    def _draw(self) -> None:
        if self._drawn is None:
            with preserve_random_state():
                self._drawn = draw_samples(self._data, self._num_samples)

    @property
    def _targets(self) -> Any:
        return select(self._samples.targets, self._output, "targets")

    @property
    def _samples(self) -> Samples:
        assert self._drawn is not None, "fit calls on_train_begin first"
        return self._drawn

    @property
    def _pred_artifact_name(self) -> str:
        infix = "" if self._name == "val" else f"{self._name}_"
        return f"run_{self._session.run.id}_{infix}pred"

    def log_data_table(
        self,
        name: str | None = None,
        type: str = "dataset",  # noqa: A002  W&B's own word for it
        table_name: str | None = None,
    ) -> None:
        """Logs the examples as an artifact with the name of the data."""
        super().log_data_table(name or self._name, type, table_name or f"{self._name}_data")

    def _chosen_output(self, outputs: Any) -> Any:
        names = getattr(self.model, "output_names", None)
        return select(with_tuples(outputs), self._output, "outputs", names)

    def _shown_cells(self, number: int) -> dict[str, Any]:
        """Returns the cells that show an example's inputs, by column."""
        if self._show is not None:
            shown = self._show(map_arrays(lambda array: array[number], self._samples.inputs))
            return shown if isinstance(shown, dict) else {"input": shown}
        return {
            name: self._cells.cell(name, array, number)
            for name, array in self._samples.named_inputs().items()
        }

    def _data_rows(self) -> Iterator[list[Any]]:
        for number in range(self._samples.count):
            shown = self._shown_cells(number).values()
            yield [number, *shown, *self._truth_cells(number)]

    def _write(self, table: SpooledTable, epoch: int, results: Results) -> None:
        self._session.history.add(epoch, results.tracked_values())
        known = self.data_table_ref.store
        table.write(
            [epoch, *self._predicted_cells(known.read(int(number)), int(number), results)]
            for number in results.worst_first()
        )

    def _row(self, epoch: int, results: Results) -> dict[str, Any]:
        """Returns the row for the run."""
        row = {
            "epoch": epoch,
            **results.report(),
            "worst_predictions": self._worst_predictions(results),
        }
        return {f"{self._name}/{key}": value for key, value in row.items() if value is not None}

    def _worst_predictions(self, results: Results) -> Any:
        """Returns the worst predictions as a grid of pictures, or as a table without pictures."""
        numbers = [int(number) for number in results.worst_first()[:_MOST_SHOWN]]
        rows = [self.data_table_ref.store.read(number) for number in numbers]
        pictures = [
            picture
            for number, row in zip(numbers, rows, strict=True)
            if (picture := self._picture(row, number, results)) is not None
        ]
        if pictures:
            grid = grid_picture(pictures, [results.caption(number) for number in numbers])
            return wandb.Image(grid)
        columns: list[str | int] = [*self.data_table_columns, *self._result_columns]
        cells = [[*row, *results.cells(number)] for number, row in zip(numbers, rows, strict=True)]
        return wandb.Table(columns=columns, data=cells)

    def _log_history(self) -> None:
        """Logs the history of the predictions, as the last table."""
        if not len(self._session.history):
            return
        table = self._session.logger.table(
            [*self.data_table_columns, *self._session.history.columns()], source=self.data_table_ref
        )
        known = self.data_table_ref.store
        table.write([*known.read(number), *cells] for number, cells in self._session.history.rows())
        self._session.logger.log_now(
            table, f"{self._pred_artifact_name[:-5]}_moves", "evaluation", "moves", self._aliases
        )
