"""The table of the validation data, to which predictions link."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import wandb

from wk_eval.tables.spooled_table import SpooledTable
from wk_eval.tables.table_logger import TableLogger
from wk_legacy.tables.row_processor import RowProcessor

Array = npt.NDArray[Any]

# Longer vectors are stored as an array in a file, as wandb's own tables do.
_LONGEST_VECTOR: Final = 150


class ValidationTable:
    """Logs validation data as a table of the artifact `wb_validation_data`, once.

    Args:
        run: The run.
        columns: The data, by column.
        count: The number of rows.
        name: The callback's class, for errors.
    """

    def __init__(self, run: wandb.Run, columns: Mapping[str, Array], count: int, name: str) -> None:
        self._columns = columns
        self._count = count
        self._log = TableLogger(run, name)
        self._table: SpooledTable | None = None

    def fill(self, processor: RowProcessor) -> None:
        """Makes the table in this thread, with the columns of a user's processor."""
        rows = (
            {name: array[number] for name, array in self._columns.items()}
            for number in range(self._count)
        )
        table: SpooledTable | None = None
        names: list[str] = []
        for number, cells in enumerate(processor.rows(rows)):
            if table is None:
                names = [*cells]
                table = self._new_table(names)
            table.add_data(*self._data_cells(number), *(cells[name] for name in names))
        assert table is not None, "there are examples"
        self._send(table)

    def fill_later(self, names: list[str], more: Iterator[dict[str, Any]]) -> None:
        """Makes the table in a background thread.

        Args:
            names: The names of the columns besides the data.
            more: Yields the cells of these columns, row by row.
        """
        table = self._new_table(names)
        rows = ([*self._data_cells(number), *cells.values()] for number, cells in enumerate(more))
        self._log.submit(partial(table.write, rows))
        self._send(table)

    def indexes(self) -> list[Any]:
        """Returns links to the rows, for cells of other tables; waits until the table is logged.

        Raises:
            BaseException: The error that logging the table raised.
        """
        assert self._table is not None, "the table is filled first"
        self._log.close()
        links: list[Any] = self._table.get_index()  # type: ignore[no-untyped-call]
        return links

    def _new_table(self, names: list[str]) -> SpooledTable:
        table = self._log.table([*self._columns, *names])
        for name, array in self._columns.items():
            if _is_large(array):
                table.store.add_array_column(name, array)
        return table

    def _send(self, table: SpooledTable) -> None:
        self._log.log_data(table, "wb_validation_data", "validation_dataset", "validation_data")
        self._table = table

    def _data_cells(self, number: int) -> list[Any]:
        return [
            None if _is_large(array) else np.asarray(array[number]).tolist()
            for array in self._columns.values()
        ]


def _is_large(array: Array) -> bool:
    """Returns whether a column is stored as an array in a file, not as cells."""
    if array.dtype.kind in "OUS":
        return False
    return array.ndim > 2 or (array.ndim == 2 and array.shape[1] > _LONGEST_VECTOR)
