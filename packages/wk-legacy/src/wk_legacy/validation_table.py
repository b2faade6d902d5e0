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
from wk_legacy.guessed_columns import Cell
from wk_legacy.row_processor import RowProcessor

Array = npt.NDArray[Any]

# The most numbers of a vector that are a list in a cell, as in wandb's own tables.
_LONGEST_VECTOR: Final = 150


class ValidationTable:
    """Logs validation data as a table of the artifact `wb_validation_data`, once.

    Args:
        run: The run.
        samples: The data.
        name: The callback's class, for what is said of errors.
    """

    def __init__(self, run: wandb.Run, samples: Samples, name: str) -> None:
        self.columns = columns_of(samples)
        self._count = samples.count
        self._log = TableLog(run, name)
        self._table: EvalTable | None = None

    def fill(self, processor: RowProcessor | None, guessed: Mapping[str, tuple[str, Cell]]) -> None:
        """Makes the table and has it logged.

        Args:
            processor: Makes more columns, in this thread.
            guessed: More columns that are made behind it, where there is no processor: each with
                the column it is made of, and what makes its cells.
        """
        if processor is None:
            rows: Iterator[dict[str, Any]] = (
                {
                    name: cell(row[source], row.get("input"))
                    for name, (source, cell) in guessed.items()
                }
                for row in self._rows()
            )
            table = self._new_table([*guessed])
            self._log.submit(partial(table.write, map(self._cells, range(self._count), rows)))
        else:
            made = processor.rows(self._rows())
            first = next(made)
            table = self._new_table([*first])
            table.add_data(*self._cells(0, first))
            for number, cells in enumerate(made, start=1):
                table.add_data(*self._cells(number, {name: cells[name] for name in first}))
        self._log.log_data(table, "wb_validation_data", "validation_dataset", "validation_data")
        self._table = table

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
        table = self._log.table([*self.columns, *names])
        for name, array in self.columns.items():
            if _is_large(array):
                table.store.hold(name, array)
        return table

    def _rows(self) -> Iterator[dict[str, Any]]:
        for number in range(self._count):
            yield {name: array[number] for name, array in self.columns.items()}

    def _cells(self, number: int, more: Mapping[str, Any]) -> list[Any]:
        cells = [
            None if _is_large(array) else np.asarray(array[number]).tolist()
            for array in self.columns.values()
        ]
        return [*cells, *more.values()]


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
