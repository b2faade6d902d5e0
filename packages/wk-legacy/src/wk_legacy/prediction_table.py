"""The table of what a model puts out, for a row of a run."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import wandb

from wk_core.artifacts import keep_known
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
        predictions.add_column(name, array if array.ndim > 1 else array.tolist())
    predictions.add_column("val_row", list(links))
    for name in cells[0]:
        predictions.add_column(name, _alike([row[name] for row in cells]))
    return predictions


def _alike(column: list[Any]) -> list[Any]:
    """Returns a column with its images in the same range of values."""
    pixel_range = PixelRange()
    for cell in column:
        if isinstance(cell, TableImage):
            cell.content.reduce(pixel_range)
    return [cell.item() if isinstance(cell, np.generic) else cell for cell in column]
