"""A table on its way to an artifact: rows and pictures on the disk, little in memory."""

import datetime
import json
import secrets
from collections.abc import Iterable, Iterator
from functools import partial
from typing import IO, Any, Final

import numpy as np
import numpy.typing as npt
import wandb
from wandb.data_types import WBValue

from wk_core.data.arrays import as_array, is_tensor
from wk_eval.images import PixelRange
from wk_eval.tables.column_types import ColumnTypes
from wk_eval.tables.image import TableImage
from wk_eval.tables.media_store import MediaStore
from wk_eval.tables.pixel_source import PixelSource
from wk_eval.tables.spool import RowFile
from wk_eval.tables.wandb_internals import (
    ImageDetails,
    add_file,
    array_type,
    describe_cell,
    staging_directory,
)

_PLAIN: Final = (bool, int, float, str, type(None))


class StoredMedia(WBValue):
    """A medium of a stored table, other than an image: the cell that says where it is.

    Args:
        store: The table's media.
        described: The cell, as the table's file has it.
    """

    def __init__(self, store: MediaStore, described: dict[str, Any]) -> None:
        super().__init__()
        self.store = store
        self.json = described

    def to_json(self, run_or_artifact: Any) -> dict[str, Any]:
        """Returns the cell; adds a reference to the medium to an artifact.

        Raises:
            TypeError: If it is no artifact, or if the table has not been logged.
        """
        is_artifact = isinstance(run_or_artifact, wandb.Artifact)
        if not is_artifact or not self.store.share_with(self.json, run_or_artifact):
            raise TypeError("A medium of a stored table goes into the table of an artifact only.")
        return self.json


class TableStore:
    """Stores a table's rows, one thread at a time, and adds them to an artifact.

    Each row goes to a file at once, and each picture to where wandb uploads it from. In memory
    stay eight bytes for each row, and an artifact's entry for each picture.

    Args:
        table: The table, whose own description of its columns is kept up to date.
        source: A table that was logged before. The artifact refers to the media that it has.
    """

    def __init__(self, table: wandb.Table, source: "TableStore | None" = None) -> None:
        self.media: MediaStore = MediaStore(None if source is None else source.media)
        self._columns = [*map(str, table.columns)]
        self._types = ColumnTypes(table)
        self._ranges = [PixelRange() for _ in self._columns]
        self._image_columns: set[int] = set()
        self._rows = RowFile(staging_directory())
        self._arrays: dict[int, npt.NDArray[Any]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def add_array_column(self, column: str, array: npt.NDArray[Any]) -> None:
        """Makes the items of an array a column's cells, and stores the array as a file of its own.

        The rows hold None in the column. As text, like other cells, arrays would take many times
        their size.

        Args:
            column: The column's name.
            array: Numbers, shape (rows, …). The array must not change.
        """
        self._arrays[self._columns.index(column)] = array

    def prepare(self, cells: Iterable[Any]) -> list[Any]:
        """Returns a copy of a row that can wait, with pixels as bytes."""
        return [
            cell if type(cell) in _PLAIN else self._prepared(cell, column)
            for column, cell in enumerate(cells)
        ]

    def write(self, rows: Iterable[list[Any]]) -> None:
        """Writes prepared rows: all of them, or none if one cannot be written.

        Raises:
            TypeError: If a column does not take a cell.
        """
        self._rows.extend(self._described_rows(rows))

    def read(self, index: int) -> list[Any]:
        """Returns a row that has been written; its media are read when they are used."""
        return [
            self._arrays[column][index] if column in self._arrays else self._revived(cell, column)
            for column, cell in enumerate(self._rows[index])
        ]

    def add_to(self, artifact: wandb.Artifact, table_name: str) -> str:
        """Adds the table and its media to an artifact; returns the table's path in it."""
        path = wandb.Table.with_suffix(table_name)
        types = self._types.to_json(self.media.target)
        for column, array in self._arrays.items() if types else ():
            types["params"]["type_map"][self._columns[column]] = self._stored(column, array)
        self.media.add_to(artifact)
        add_file(artifact, path, lambda file: self._write_to(file, types))
        return path

    def _prepared(self, cell: Any, column: int) -> Any:
        if isinstance(cell, wandb.Image):
            cell = TableImage.taken_from(cell) or cell
        if isinstance(cell, TableImage):
            self._image_columns.add(column)
            cell.content.reduce(self._ranges[column])
            return cell
        if isinstance(cell, WBValue) or not is_tensor(cell):
            return list(cell) if isinstance(cell, tuple) else cell
        array = as_array(cell)
        if array.ndim >= 2 and column in self._image_columns:
            image = TableImage.holding(PixelSource(array))
            image.content.reduce(self._ranges[column])
            return image
        # `tolist` of other kinds, as of points in time, would lose what they are.
        return array.tolist() if array.dtype.kind in "biufUS" else cell

    def _described_rows(self, rows: Iterable[list[Any]]) -> Iterator[list[Any]]:
        for number, row in enumerate(rows, len(self)):
            if not self._types.are_known:  # which say where arrays are
                for column, array in self._arrays.items():
                    row[column] = array[number].tolist()
            self._types.update(row)
            yield [
                cell if type(cell) in _PLAIN and cell == cell else self._describe(cell)
                for cell in row
            ]

    def _describe(self, cell: Any) -> Any:
        """Returns a cell as JSON; stores the media in it, or refers to them."""
        if isinstance(cell, TableImage):
            return self._describe_image(cell)
        if isinstance(cell, StoredMedia):
            self.media.refer(cell.json, cell.store)
            return cell.json
        if type(cell) is list and all(type(item) in _PLAIN and item == item for item in cell):
            return cell
        return self.media.collect(lambda: describe_cell(cell, self.media.target))

    def _describe_image(self, image: TableImage) -> dict[str, Any]:
        extra, details = image.extra or {}, ImageDetails.of(image)
        described = {**self.media.store_picture(image.content), **extra}
        self.media.refer(extra, image.content.store)
        if details.caption is not None:
            described["caption"] = details.caption
        if details.grouping:
            described["grouping"] = details.grouping
        if details.classes is not None:
            described["classes"] = self.media.store_classes(details.classes)
        for kind, layers in (("boxes", details.boxes), ("masks", details.masks)):
            for name, layer in (layers or {}).items():
                add = partial(layer.to_json, self.media.target)
                described[kind] = {**described.get(kind, {}), name: self.media.collect(add)}
        for name, mask in image.class_masks.items():
            stored = self.media.store_mask(mask)
            described["masks"] = {**described.get("masks", {}), name: stored}
        return described

    def _stored(self, column: int, array: npt.NDArray[Any]) -> dict[str, Any]:
        """Stores an array as wandb does those of its tables; returns the type of its column."""
        path = f"media/serialized_data/{column}_{secrets.token_hex(4)}.npz"
        name = self._columns[column]
        named: dict[str, Any] = {name: array}
        self.media.store_file(path, lambda file: np.savez_compressed(file, **named))
        return array_type(array.shape[1:], {"path": path, "key": name})

    def _revived(self, cell: Any, column: int) -> Any:
        if isinstance(cell, dict) and cell.get("_type") == "image-file":
            return TableImage.stored(self.media, cell, self._types.image_type(column))
        if isinstance(cell, dict) and "_type" in cell and "path" in cell:
            return StoredMedia(self.media, cell)
        if isinstance(cell, (int, float)) and self._types.is_timestamp(column):
            return datetime.datetime.fromtimestamp(cell / 1000, tz=datetime.UTC)
        return cell

    def _write_to(self, file: IO[bytes], types: dict[str, Any]) -> None:
        """Writes the table as wandb does, without ever having all of it in memory."""
        known = {"column_types": types} if types else {}
        head = json.dumps({"_type": "table", **known, "columns": self._columns})
        shape = {"log_mode": "IMMUTABLE", "ncols": len(self._columns), "nrows": len(self._rows)}
        file.write(f'{head[:-1]}, "data": ['.encode())
        self._rows.copy_to(file)
        file.write(f"], {json.dumps(shape)[1:]}".encode())
