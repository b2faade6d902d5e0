"""A user's function that computes more cells for a table's rows."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from wk_eval.tables.image import deferred_images


class RowNumber(int):
    """The index of a row, which also returns the row, as `wandb.Table`'s own indices do."""

    row: Mapping[str, Any]

    def get_row(self) -> dict[str, Any]:
        """Returns the row's cells by column."""
        return dict(self.row)


class RowProcessor:
    """Calls a user's function for each row, and checks its results.

    Args:
        argument: The name of the argument that passed the function, for errors.
        function: Gets the index of a row and its cells by column; returns more cells by column.

    Raises:
        TypeError: If it is not a function.
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
        """Yields the function's cells for each row.

        The function runs in the caller's thread: it may use the model, or drawing libraries that
        are not thread-safe. Images that it makes with `wandb.Image(array)` are encoded later, with
        the brightness of the array.

        Raises:
            TypeError: If a result is not a dictionary of cells by column.
            ValueError: If its columns differ from the first row's, or exist in the row already.
        """
        for number, row in enumerate(rows):
            index = RowNumber(number)
            index.row = row
            with deferred_images():
                cells = self._function(index, dict(row))
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
        existing = [name for name in names if name in row]
        if existing or set(names) != set(self._columns):
            raise ValueError(
                f"`{self._argument}` must return the same columns for each row, other than "
                f"{[*row]}. Received: {names} for row {number}, and {self._columns} for row 0"
            )
