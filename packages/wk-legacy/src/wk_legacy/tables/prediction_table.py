"""The table of what a model puts out, for a row of a run."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import wandb
from wandb.sdk.data_types import _dtypes

from wk_core.artifacts import keep_known
from wk_eval.column_types import without_nan
from wk_eval.pixels import PixelRange
from wk_eval.table_image import TableImage


def prediction_table(
    outputs: Mapping[str, npt.NDArray[Any]], links: Sequence[Any], cells: list[dict[str, Any]]
) -> wandb.Table:
    """Returns a table of predictions.

    Args:
        outputs: What the model puts out, by column.
        links: For each row the link to the row of another table.
        cells: For each row more cells by column, the same columns for each.
    """
    for table in {id(link._table): link._table for link in links}.values():
        if table._artifact_target is not None:
            keep_known(table._artifact_target.artifact)
    predictions = wandb.Table(columns=[], data=[])
    for name, array in outputs.items():
        _add_column(predictions, name, array if array.ndim > 1 else array.tolist())
    _add_column(predictions, "val_row", list(links))
    for name in cells[0]:
        _add_column(predictions, name, _alike([row[name] for row in cells]))
    return predictions


def _add_column(table: wandb.Table, name: str, cells: Any) -> None:
    """Adds a column, whatever is in it: NaN, nothing, or cells that have no type in common."""
    known = cells if isinstance(cells, np.ndarray) else [*map(_typed, cells)]
    optional = any(cell is None for cell in known)
    try:
        table.add_column(name, known, optional=optional)
    except TypeError:
        table.add_column(name, [0] * len(known))
        table._column_types.params["type_map"][name] = _dtypes.AnyType()  # type: ignore[no-untyped-call]
    for row, cell in zip(table.data, cells, strict=True):
        row[-1] = cell


def _typed(cell: Any) -> Any:
    """Returns what has the type that a cell should have: to wandb NaN is nothing."""
    (typed,) = without_nan([cell])
    return typed


def _alike(column: list[Any]) -> list[Any]:
    """Returns a column with its images in the same range of values."""
    pixel_range = PixelRange()
    for cell in column:
        if isinstance(cell, TableImage):
            cell.content.reduce(pixel_range)
    return [cell.item() if isinstance(cell, np.generic) else cell for cell in column]
