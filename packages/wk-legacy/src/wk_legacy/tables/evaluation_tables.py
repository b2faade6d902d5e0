"""Tables of the validation data, and of a model's predictions for them."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import wandb

from wk_core.compat.wandb.artifacts import keep_known
from wk_eval.data.samples import Samples
from wk_eval.images import PixelRange
from wk_eval.tables.column_types import without_nan
from wk_eval.tables.image import TableImage
from wk_eval.tables.wandb_internals import ColumnTypeMap, artifacts_of_links, linked_table
from wk_legacy.tables.inferred_columns import ColumnInference, InferredColumns
from wk_legacy.tables.row_processor import RowProcessor
from wk_legacy.tables.validation_table import ValidationTable
from wk_legacy.validation_data import Predictor, ValidationData, output_columns
from wk_metrics.row_source import RowFactory, RowSource

Array = npt.NDArray[Any]
Process = Callable[[int, dict[str, Any]], Any]


class EvaluationTables(RowSource):
    """Logs a table of the validation data, and adds tables of predictions to rows.

    When training begins, the validation data are logged as the table `validation_data` of the
    artifact `wb_validation_data`, type `validation_dataset`, which the run uses. Its columns are
    `target` and `input`, or the names of targets and inputs, and the processor's columns.

    Rows of due epochs have the table of predictions, as `validation_predictions`. Its columns are
    `output`, or the names of the outputs, `val_row`, a link to the row of the validation data, and
    the processor's columns. If there was training after the last table, `end` returns one more.

    Without a processor, columns are inferred from the first example and named `<column>:<name>`.

    Args:
        run: The run.
        data: The validation data.
        labels: The names of the classes.
        frequency: The number of epochs between two tables; 0 for one at the end of training only.
        indexes: Links to the rows of an existing table of the data, in the order of the data, as
            `wandb.Table.get_index()` returns them. Then the data are not logged.
        validation_row_processor: Computes columns of the validation data: a function that gets a
            row's index and its cells by column, and returns more cells by column. Defaults to
            None: columns are inferred.
        output_row_processor: The same for the predictions.
        infer_missing_processors: Whether to infer columns without a processor.
        name: The callback's class, for errors.

    Raises:
        ValueError: If an argument is not as above.
        TypeError: If a processor is not a function.
    """

    def __init__(
        self,
        run: wandb.Run,
        data: ValidationData,
        *,
        labels: list[str] | None = None,
        frequency: int = 0,
        indexes: Sequence[Any] | None = None,
        validation_row_processor: Process | None = None,
        output_row_processor: Process | None = None,
        infer_missing_processors: bool = True,
        name: str = "WandbCallback",
    ) -> None:
        if isinstance(frequency, bool) or not isinstance(frequency, int) or frequency < 0:
            raise ValueError(
                "`log_evaluation_frequency` must be a whole number of epochs, or 0 for the end of "
                f"training only. Received: log_evaluation_frequency={frequency!r}"
            )
        self._run = run
        self._data = data
        self._labels = labels
        self._frequency = frequency
        self._indexes = _checked_indexes(indexes)
        self._processors = {
            argument: RowProcessor(argument, function)
            for argument, function in (
                ("validation_row_processor", validation_row_processor),
                ("output_row_processor", output_row_processor),
            )
            if function is not None
        }
        self._infers = infer_missing_processors
        self._name = name
        self._table: ValidationTable | None = None
        self._inferred: InferredColumns = {}
        self._predict: Predictor
        self._samples: Samples
        self._inference: ColumnInference
        self._has_trained = False

    def begin(self, model: Any) -> None:
        """Logs the validation data, and checks that model and processors fit them.

        Raises:
            ValueError: If data, model and arguments do not fit.
            TypeError: If the data are not inputs and targets, or if a processor returns something
                other than a dictionary.
        """
        self._has_trained = False
        if self._run.disabled:
            return
        self._predict = Predictor(model)
        self._samples, columns = self._data.whole(), self._data.columns()
        self._inference = ColumnInference(self._samples, columns, self._labels, self._data.renderer)
        outputs = output_columns(self._predict.first(self._samples))
        if self._indexes is None and self._table is None:
            self._table = ValidationTable(self._run, columns, self._samples.count, self._name)
            processor = self._processors.get("validation_row_processor")
            if processor is not None:
                self._table.fill(processor)
            else:
                inferred = self._inference.of_data() if self._infers else {}
                self._table.fill_later([*inferred], self._inference.rows(inferred, columns))
        if self._indexes is not None and len(self._indexes) != self._samples.count:
            raise ValueError(
                "`validation_indexes` must have a link for each example of the validation data. "
                f"Received: {len(self._indexes)} links, {self._samples.count} examples"
            )
        self._inferred = self._inference.of_outputs(outputs) if self._infers else {}
        self._processed(outputs, 1)

    def take(self, epoch: int) -> RowFactory:
        """Predicts all of the data if a table is due.

        Args:
            epoch: The epoch that has ended, from 0.

        Returns:
            Makes the row with the table; an empty row if none is due.
        """
        self._has_trained = True
        if not self._frequency or epoch % self._frequency:
            return dict
        return self._take_predictions()

    def end(self) -> RowFactory | None:
        """Predicts all of the data if there was training after the last table.

        Returns:
            Makes a row with the table; None if there is none.
        """
        return self._take_predictions() if self._has_trained else None

    def _take_predictions(self) -> RowFactory:
        self._has_trained = False
        if self._run.disabled:
            return dict
        outputs = output_columns(self._predict(self._samples))
        return partial(self._row, outputs, self._processed(outputs, self._samples.count))

    def _row(
        self, outputs: Mapping[str, Array], processed: list[dict[str, Any]] | None
    ) -> dict[str, Any]:
        if processed is None:
            processed = list(self._inference.rows(self._inferred, outputs))
        return {"validation_predictions": prediction_table(outputs, self._links(), processed)}

    def _processed(self, outputs: Mapping[str, Array], count: int) -> list[dict[str, Any]] | None:
        """Returns the processor's cells for the first rows; None if there is no processor."""
        processor = self._processors.get("output_row_processor")
        if processor is None:
            return None
        columns: dict[str, Any] = {**outputs, "val_row": self._links()}
        rows = (
            {name: column[number] for name, column in columns.items()} for number in range(count)
        )
        return list(processor.rows(rows))

    def _links(self) -> Sequence[Any]:
        if self._indexes is not None:
            return self._indexes
        assert self._table is not None, "begin comes first"
        return self._table.indexes()


def prediction_table(
    outputs: Mapping[str, Array], links: Sequence[Any], cells: list[dict[str, Any]]
) -> wandb.Table:
    """Returns a table of predictions.

    Args:
        outputs: The model's outputs, by column.
        links: A link to a row of another table, for each row.
        cells: More cells by column, for each row; all rows have the same columns.
    """
    for artifact in artifacts_of_links(links):
        keep_known(artifact)
    predictions = wandb.Table(columns=[], data=[])
    for name, array in outputs.items():
        _add_column(predictions, name, array if array.ndim > 1 else array.tolist())
    _add_column(predictions, "val_row", list(links))
    for name in cells[0]:
        _add_column(predictions, name, _in_one_range([row[name] for row in cells]))
    return predictions


def _add_column(table: wandb.Table, name: str, cells: Any) -> None:
    """Adds a column, even if it has NaN, None or cells without a common type."""
    # wandb's types take NaN for None.
    typed = cells if isinstance(cells, np.ndarray) else [without_nan([cell])[0] for cell in cells]
    optional = any(cell is None for cell in typed)
    try:
        table.add_column(name, typed, optional=optional)
    except TypeError:
        table.add_column(name, [0] * len(typed))
        ColumnTypeMap(table).allow_any(name)
    for row, cell in zip(table.data, cells, strict=True):
        row[-1] = cell


def _in_one_range(column: list[Any]) -> list[Any]:
    """Returns a column whose images have the same values for black and white."""
    pixel_range = PixelRange()
    for cell in column:
        if isinstance(cell, TableImage):
            cell.content.reduce(pixel_range)
    return [cell.item() if isinstance(cell, np.generic) else cell for cell in column]


def _checked_indexes(indexes: Any) -> list[Any] | None:
    if indexes is None:
        return None
    links = list(indexes) if isinstance(indexes, Sequence) else []
    if not links or not all(linked_table(link) is not None for link in links):
        raise ValueError(
            "`validation_indexes` must be links to the rows of a table, as its `get_index()` "
            f"returns them. Received: validation_indexes={indexes!r}"
        )
    return links
