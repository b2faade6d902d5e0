"""Tables of the validation data, and of what a model puts out for it."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy.typing as npt
import wandb
from wandb.sdk.data_types.table import _TableIndex

from wk_eval.labels import Labels
from wk_eval.samples import Samples, named
from wk_legacy.images.captions import text_labels
from wk_legacy.part import MakeRow, Part
from wk_legacy.predictor import Predictor
from wk_legacy.tables.prediction_table import prediction_table
from wk_legacy.tables.row_processor import RowProcessor
from wk_legacy.tables.table_guesses import Guesses, TableGuesses
from wk_legacy.tables.validation_table import ValidationTable, columns_of
from wk_legacy.validation_data import ValidationData

Array = npt.NDArray[Any]
Process = Callable[[int, dict[str, Any]], Any]


class EvaluationTables(Part):
    """Logs a table of the validation data, and adds tables of predictions to rows.

    When training begins, the validation data are logged as the table `validation_data` of the
    artifact `wb_validation_data`, type `validation_dataset`, which the run uses. Its columns are
    `target` and `input`, or the names that targets and inputs have, and those that the processor
    makes of them.

    The rows of epochs that are due have the table of predictions, as `validation_predictions`. Its
    columns are `output`, or the names that the outputs have, `val_row`, the link to the row of the
    validation data, and those that the processor makes of the output. `end` returns a row with the
    table if there was training after the last one.

    Columns that no processor makes are guessed from the first example, and named
    `<column>:<name>`.

    Args:
        run: The run.
        data: The validation data.
        labels: The names of classes, in a list or by number.
        frequency: A table every how many epochs; 0 for one at the end of training only.
        indexes: Links to the rows of a table of the data that there is already, in the order of
            the data, as `wandb.Table.get_index()` returns them. Instead of logging the data.
        validation_row_processor: Makes columns of the validation data: a function that takes a
            row's number and its cells by column, and returns more cells by column. Defaults to
            None: they are guessed.
        output_row_processor: Makes columns of the predictions, in the same way.
        infer_missing_processors: Whether columns are guessed where there is no processor.
        name: The callback's class, for what is said of errors.

    Raises:
        ValueError: If an argument is not as above.
        TypeError: If a processor is no function.
    """

    def __init__(
        self,
        run: wandb.Run,
        data: ValidationData,
        *,
        labels: Labels | None = None,
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
        self._labels = text_labels(labels)
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
        self._guessed: Guesses = {}
        self._predict: Predictor
        self._samples: Samples
        self._guesses: TableGuesses
        self._has_trained = False

    def begin(self, model: Any) -> None:
        """Logs the validation data, and looks whether the model and the processors fit them.

        Raises:
            ValueError: If data, model and arguments do not fit.
            TypeError: If the data are not inputs and targets, or if a processor returns something
                other than a dictionary.
        """
        self._has_trained = False
        if self._run.disabled:
            return
        self._predict = Predictor(model)
        self._samples = self._data.whole()
        columns = columns_of(self._samples)
        self._guesses = TableGuesses(self._samples, columns, self._labels, self._data.painter)
        outputs = named(self._predict.first(self._samples), "output")
        if self._indexes is None and self._table is None:
            self._table = ValidationTable(self._run, columns, self._samples.count, self._name)
            processor = self._processors.get("validation_row_processor")
            if processor is not None:
                self._table.fill(processor)
            else:
                guessed = self._guesses.of_data() if self._infers else {}
                self._table.fill_later([*guessed], self._guesses.cells(guessed, columns))
        if self._indexes is not None and len(self._indexes) != self._samples.count:
            raise ValueError(
                "`validation_indexes` must have a link for each example of the validation data. "
                f"Received: {len(self._indexes)} links, {self._samples.count} examples"
            )
        self._guessed = self._guesses.of_outputs(outputs) if self._infers else {}
        self._processed(outputs, 1)

    def take(self, epoch: int) -> MakeRow:
        """Predicts all of the data, where a table is due.

        Args:
            epoch: The epoch that has ended, from 0.

        Returns:
            What makes the row with the table; an empty row where none is due.
        """
        self._has_trained = True
        if not self._frequency or epoch % self._frequency:
            return dict
        return self._taken()

    def end(self) -> MakeRow | None:
        """Predicts all of the data, if there was training after the last table.

        Returns:
            What makes a row with the table; None where there is none.
        """
        return self._taken() if self._has_trained else None

    def _taken(self) -> MakeRow:
        self._has_trained = False
        if self._run.disabled:
            return dict
        outputs = named(self._predict(self._samples), "output")
        return partial(self._row, outputs, self._processed(outputs, self._samples.count))

    def _row(
        self, outputs: Mapping[str, Array], processed: list[dict[str, Any]] | None
    ) -> dict[str, Any]:
        if processed is None:
            processed = list(self._guesses.cells(self._guessed, outputs))
        return {"validation_predictions": prediction_table(outputs, self._links(), processed)}

    def _processed(self, outputs: Mapping[str, Array], count: int) -> list[dict[str, Any]] | None:
        """Returns what the processor makes of the first rows; None where there is no processor."""
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


def _checked_indexes(indexes: Any) -> list[Any] | None:
    if indexes is None:
        return None
    links = list(indexes) if isinstance(indexes, Sequence) else []
    if not links or not all(isinstance(link, _TableIndex) for link in links):
        raise ValueError(
            "`validation_indexes` must be links to the rows of a table, as its `get_index()` "
            f"returns them. Received: validation_indexes={indexes!r}"
        )
    return links
