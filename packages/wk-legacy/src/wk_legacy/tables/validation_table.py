"""The table of the validation data, which predictions are linked to."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import wandb

from wk_eval.eval_table import EvalTable
from wk_eval.samples import Samples, describe, named
from wk_eval.table_log import TableLog
from wk_legacy.tables.row_processor import RowProcessor

Array = npt.NDArray[Any]

# The most numbers of a vector that are a list in a cell, as in wandb's own tables.
_LONGEST_VECTOR: Final = 150


class ValidationTable:
    """Logs validation data as a table of the artifact `wb_validation_data`, once.

    Args:
        run: The run.
        columns: The data, by column.
        count: How many rows there are.
        name: The callback's class, for what is said of errors.
    """

    def __init__(self, run: wandb.Run, columns: Mapping[str, Array], count: int, name: str) -> None:
        self._columns = columns
        self._count = count
        self._log = TableLog(run, name)
        self._table: EvalTable | None = None

    def fill(self, processor: RowProcessor) -> None:
        """Makes the table, with more columns that a processor makes in this thread."""
        rows = (
            {name: array[number] for name, array in self._columns.items()}
            for number in range(self._count)
        )
        table: EvalTable | None = None
        names: list[str] = []
        for number, cells in enumerate(processor.rows(rows)):
            if table is None:
                names = [*cells]
                table = self._new_table(names)
            table.add_data(*self._known_cells(number), *(cells[name] for name in names))
        assert table is not None, "there are examples"
        self._send(table)

    def fill_later(self, names: list[str], more: Iterator[dict[str, Any]]) -> None:
        """Has the table made behind this thread.

        Args:
            names: The names of more columns.
            more: Yields the cells of these of one row after the other.
        """
        table = self._new_table(names)
        rows = ([*self._known_cells(number), *cells.values()] for number, cells in enumerate(more))
        self._log.submit(partial(table.write, rows))
        self._send(table)

    def indexes(self) -> list[Any]:
        """Returns links to the rows, for cells of other tables; waits until the table is logged.

        Raises:
            BaseException: What went wrong with it.
        """
        assert self._table is not None, "the table is filled first"
        self._log.close()
        links: list[Any] = self._table.get_index()  # type: ignore[no-untyped-call]
        return links

    def _new_table(self, names: list[str]) -> EvalTable:
        table = self._log.table([*self._columns, *names])
        for name, array in self._columns.items():
            if _is_large(array):
                table.store.hold(name, array)
        return table

    def _send(self, table: EvalTable) -> None:
        self._log.log_data(table, "wb_validation_data", "validation_dataset", "validation_data")
        self._table = table

    def _known_cells(self, number: int) -> list[Any]:
        return [
            None if _is_large(array) else np.asarray(array[number]).tolist()
            for array in self._columns.values()
        ]


def columns_of(samples: Samples) -> dict[str, Array]:
    """Returns the columns of data: targets and inputs, by name.

    Raises:
        ValueError: If inputs and targets have names in common.
    """
    targets, inputs = named(samples.targets, "target"), samples.named_inputs()
    if common := sorted(set(targets) & set(inputs)):
        raise ValueError(
            "Inputs and targets need names of their own, since they are columns of one table. "
            f"Received: {common} in both; inputs={describe(inputs)}, targets={describe(targets)}"
        )
    return {**targets, **inputs}


def _is_large(array: Array) -> bool:
    """Tells whether the examples of an array are stored in a file of their own."""
    if array.dtype.kind in "OUS":
        return False
    return array.ndim > 2 or (array.ndim == 2 and array.shape[1] > _LONGEST_VECTOR)
