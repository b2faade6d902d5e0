"""A user's function that makes columns of a table's rows."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from wk_eval.table_image import Deferral


class RowNumber(int):
    """The number of a row, that gives access to the row, as the numbers of `wandb.Table` do."""

    row: Mapping[str, Any]

    def get_row(self) -> dict[str, Any]:
        """Returns the row's cells by column."""
        return dict(self.row)


class RowProcessor:
    """Calls a user's function for one row after the other, and checks what it returns.

    Args:
        argument: The name of the argument that it was given as, for errors.
        function: Takes the number of a row and its cells by column; returns more of these.

    Raises:
        TypeError: If it is no function.
    """

    def __init__(self, argument: str, function: Callable[[int, dict[str, Any]], Any]) -> None:
        if not callable(function):
            raise TypeError(
                f"`{argument}` must be a function of a row's number and its cells, which returns "
                f"more cells by column. Received: {argument}={function!r}"
            )
        self._argument = argument
        self._function = function
        self._columns: list[str] | None = None

    def rows(self, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yields the cells that the function returns for rows, one after the other.

        It is called in this thread: it may use the model, or draw pictures with what is not made
        for several threads. What `wandb.Image(array)` makes there is encoded later, and in its
        right brightness.

        Raises:
            TypeError: If it returns something other than a dictionary of columns.
            ValueError: If it returns other columns than for the first row, or those there are.
        """
        for number, row in enumerate(rows):
            index = RowNumber(number)
            index.row = row
            deferral = Deferral()
            deferral.start()
            try:
                cells = self._function(index, dict(row))
            finally:
                deferral.stop()
            self._check(number, cells, row)
            yield cells

    def _check(self, number: int, cells: Any, row: Mapping[str, Any]) -> None:
        if not isinstance(cells, dict) or not all(isinstance(name, str) for name in cells):
            raise TypeError(
                f"`{self._argument}` must return a dictionary of cells by column. Received: "
                f"{cells!r}, for row {number}"
            )
        names = [*cells]
        if self._columns is None:
            self._columns = names
        taken = [name for name in names if name in row]
        if taken or set(names) != set(self._columns):
            raise ValueError(
                f"`{self._argument}` must return the same columns for each row, other than "
                f"{[*row]}. Received: {names} for row {number}, and {self._columns} for row 0"
            )
