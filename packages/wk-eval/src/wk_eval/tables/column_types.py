"""The types of a table's columns, found from its cells."""

from typing import Any, Final

from wandb.sdk.data_types import _dtypes
from wandb.sdk.data_types.table import _TableLinkMixin

from wk_eval.tables.image import TableImage

# Cells of these classes cannot change a column's type once it has taken one of the class.
_STABLE: Final = (bool, int, float, str, type(None))


class ColumnTypes:
    """Tells the types of cells to a table's description of its columns.

    wandb looks at each cell anew, which takes longer than all else that is done to a row. Here a
    cell of the same kind as the one above it is taken as known.

    Args:
        columns: The names of the columns.
        described: wandb's description of the columns, which is kept up to date.
    """

    def __init__(self, columns: list[str], described: _dtypes.TypedDictType) -> None:
        self._columns = columns
        self._map: dict[str, _dtypes.Type] = described.params["type_map"]
        self._images: dict[str, _dtypes.Type] = {}
        self._kinds: dict[str, Any] = {}

    def update(self, row: list[Any]) -> None:
        """Updates the types from a row.

        Raises:
            TypeError: If a column does not take the cell.
        """
        for name, cell in zip(self._columns, row, strict=True):
            kind = _kind(cell)
            if kind is not None and self._kinds.get(name) == kind:
                continue
            self._take_cell(name, cell)
            self._kinds[name] = kind

    def image_type(self, column: int) -> _dtypes.Type | None:
        """Returns the type of the images in a column, with the class labels seen in them."""
        return self._images.get(self._columns[column])

    def is_timestamp(self, column: int) -> bool:
        """Tells whether a column holds points in time, which are stored as numbers."""
        described = self._map[self._columns[column]]
        options = described.params.get("allowed_types", [described])
        return any(isinstance(each, _dtypes.TimestampType) for each in options)

    def _take_cell(self, name: str, cell: Any) -> None:
        wb_type = getattr(cell, "wb_type", None)
        if isinstance(cell, TableImage):
            wb_type = wb_type or _dtypes.TypeRegistry.type_of(cell)
            known = self._images.get(name)
            self._images[name] = wb_type if known is None else known.assign_type(wb_type)
        if isinstance(cell, _TableLinkMixin):  # a row of another table
            wb_type = _dtypes.TypeRegistry.type_of(cell)
            self._map[name] = wb_type
        before = self._map[name]
        after = before.assign(without_nan(cell)) if wb_type is None else before.assign_type(wb_type)
        if isinstance(after, _dtypes.InvalidType):
            raise TypeError(
                f"Column {name!r} holds cells of type {before}. Received: "
                f"{_dtypes.TypeRegistry.type_of(cell)}, {cell!r}"
            )
        self._map[name] = after


def without_nan(cell: Any) -> Any:
    """Returns a cell with zeros for NaN in its lists and dictionaries, to find its type.

    wandb takes NaN for nothing at all, so that a list with some is of no type.
    """
    if isinstance(cell, dict):
        return {key: _number_for_nan(each) for key, each in cell.items()}
    return [_number_for_nan(each) for each in cell] if isinstance(cell, (list, tuple)) else cell


def _number_for_nan(item: Any) -> Any:
    return 0.0 if isinstance(item, float) and item != item else without_nan(item)


def _kind(cell: Any) -> Any:
    """Returns what stands for all cells that have no other effect on a type; None if unknown."""
    kind = type(cell)
    if kind is float and cell != cell:
        return "nan"
    if kind is str and cell.startswith("wandb-"):  # may name an artifact
        return None
    if kind in _STABLE:
        return kind
    if isinstance(cell, _TableLinkMixin):
        return kind, id(cell._table)
    if kind is list and all(type(item) in (int, float) for item in cell):
        return list, len(cell), any(item != item for item in cell)
    if kind is TableImage and cell.wb_type is None:
        plain = not (cell._boxes or cell._masks or cell._classes)
        return kind if plain else None
    if kind is TableImage:
        return kind, id(cell.wb_type)
    return None
