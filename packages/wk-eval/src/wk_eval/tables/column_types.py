"""The types of a table's columns, found from its cells."""

from typing import Any, Final

import wandb

from wk_eval.tables.image import TableImage
from wk_eval.tables.wandb_internals import ColumnTypeMap, ImageDetails, linked_table, type_of

# A column's type does not change with a second cell of one of these classes.
_STABLE: Final = (bool, int, float, str, type(None))


class ColumnTypes:
    """Keeps the types of a table's columns up to date with its cells.

    wandb inspects each cell anew, which takes longer than everything else that is done to a row.
    Here a cell of the same kind as the cell above it is skipped.

    Args:
        table: The table, whose own description of its columns is updated.
    """

    def __init__(self, table: wandb.Table) -> None:
        self._columns = [*map(str, table.columns)]
        self._map = ColumnTypeMap(table)
        self._images: dict[str, Any] = {}
        self._kinds: dict[str, Any] = {}

    @property
    def are_known(self) -> bool:
        """Whether a stored table can have types at all."""
        return self._map.is_known

    def update(self, row: list[Any]) -> None:
        """Updates the types from a row.

        Raises:
            TypeError: If a column does not take the cell.
        """
        for name, cell in zip(self._columns, row, strict=True):
            kind = _kind(cell)
            if kind is not None and self._kinds.get(name) == kind:
                continue
            self._update_cell(name, cell)
            self._kinds[name] = kind

    def image_type(self, column: int) -> Any:
        """Returns the type of the images in a column, with the class labels seen in them."""
        return self._images.get(self._columns[column])

    def is_timestamp(self, column: int) -> bool:
        """Returns whether a column holds points in time, which are stored as numbers."""
        return self._map.is_timestamp(self._columns[column])

    def to_json(self, artifact: wandb.Artifact) -> dict[str, Any]:
        """Returns the types as a stored table has them; empty where they are not known."""
        return self._map.to_json(artifact)

    def _update_cell(self, name: str, cell: Any) -> None:
        cell_type = None
        if isinstance(cell, TableImage):
            cell_type = cell.wb_type or type_of(cell)
            known = self._images.get(name)
            self._images[name] = cell_type if known is None else known.assign_type(cell_type)
        self._map.assign(name, without_nan(cell), cell_type)


def without_nan(cell: Any) -> Any:
    """Returns a cell with zeros for NaN in its lists and dictionaries, to find its type.

    To wandb NaN is a missing value, and a list of numbers and missing values has no type.
    """
    if isinstance(cell, dict):
        return {key: _number_for_nan(each) for key, each in cell.items()}
    return [_number_for_nan(each) for each in cell] if isinstance(cell, (list, tuple)) else cell


def _number_for_nan(item: Any) -> Any:
    return 0.0 if isinstance(item, float) and item != item else without_nan(item)


def _kind(cell: Any) -> Any:
    """Returns a key that cells with the same effect on a type share; None if there is none."""
    kind = type(cell)
    if kind is float and cell != cell:
        return "nan"
    if kind is str and cell.startswith("wandb-"):  # may name an artifact
        return None
    if kind in _STABLE:
        return kind
    table = linked_table(cell)
    if table is not None:
        return kind, id(table)
    if kind is list and all(type(item) in (int, float) for item in cell):
        return list, len(cell), any(item != item for item in cell)
    if kind is TableImage and cell.wb_type is None:
        details = ImageDetails.of(cell)
        return None if details.boxes or details.masks or details.classes else kind
    if kind is TableImage:
        return kind, id(cell.wb_type)
    return None
