"""A W&B table that is written behind the thread that fills it."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Final, overload

import wandb

from wk_core.task_queue import TaskQueue
from wk_eval.tables.image import TableImage
from wk_eval.tables.spool import PixelFile
from wk_eval.tables.table_store import TableStore
from wk_eval.tables.wandb_internals import ColumnTypeMap, UnregisteredTable

# How many rows are handed to the background at once.
_CHUNK_ROWS: Final = 1024
# How many rows with images, so that it can begin with them while more are added.
_CHUNK_IMAGES: Final = 16
_NOTHING_READ: Final[tuple[int | None, list[Any]]] = (None, [])


class SpooledTable(UnregisteredTable):
    """A `wandb.Table` whose rows go to the disk, in a background thread, as they are added.

    `table.data[row][column]`, or `table[row][column]`, reads a cell back. Images come back as
    `wandb.Image` objects that other tables refer to instead of storing them again.

    Args:
        columns: The names of the columns.
        background: Stores the rows.
        source: A table that was logged before, whose media this table refers to.
        allow_mixed_types: Whether a column takes cells of any type.
    """

    def __init__(
        self,
        columns: list[str],
        background: TaskQueue,
        *,
        source: "SpooledTable | None" = None,
        allow_mixed_types: bool = False,
    ) -> None:
        self.count = 0
        self.last_read: tuple[int | None, list[Any]] = _NOTHING_READ
        super().__init__(columns=[*columns], allow_mixed_types=allow_mixed_types)
        self._background = background
        self._source: TableStore | None = None if source is None else source.store
        self._chunk: list[list[Any]] = []
        self._pixels = PixelFile()
        self.waiting: dict[int, list[Any]] = {}
        self.is_incomplete = False
        self.store: TableStore = self._new_store()

    @property  # type: ignore[override]  # wandb has a list
    def data(self) -> "_Rows":
        """The rows, read back one at a time."""
        # Made anew: in a cycle of references, the files would stay until garbage is collected.
        return _Rows(self)

    @data.setter
    def data(self, rows: list[Any]) -> None:
        if rows:  # wandb's constructor sets an empty list
            raise TypeError("The rows of this table cannot be set; add them with `add_data`.")

    def __getitem__(self, index: int) -> list[Any]:
        """Returns a row."""
        return self.data[index]

    def add_data(self, *data: Any) -> None:
        """Adds a row; waits while too many rows are not stored yet.

        Raises:
            ValueError: If there are more or fewer cells than columns, if the table is full, or if
                an image cannot be one.
            BaseException: If storing a row before it has failed in the background.
        """
        if len(data) != len(self.columns):
            raise ValueError(
                f"This table has {len(self.columns)} columns, {self.columns!r}. Received: "
                f"{len(data)} cells"
            )
        if self.count >= wandb.Table.MAX_ARTIFACT_ROWS:
            raise ValueError(
                f"A W&B table holds {wandb.Table.MAX_ARTIFACT_ROWS} rows at most; more can be had "
                "with `wandb.Table.MAX_ARTIFACT_ROWS = n`."
            )
        row = self.store.prepare(data)
        self.waiting[self.count] = row
        self.count += 1
        self._chunk.append(row)
        images = [cell for cell in row if isinstance(cell, TableImage)]
        for image in images:
            image.content.spool(self._pixels)
        if len(self._chunk) >= (_CHUNK_IMAGES if self._pixels.is_used else _CHUNK_ROWS):
            self.hand_over()

    def add_column(
        self,
        name: str,
        data: Any,
        optional: bool = False,
    ) -> None:
        """Adds a column to the rows that there are.

        Args:
            name: A new name.
            data: A cell for each row. In a table without rows and columns, each cell begins a
                row.
            optional: Whether the column takes None.

        Raises:
            ValueError: If the name is not new, or if cells are missing or left over.
        """
        starts = not self.columns and not self.count
        if name in self.columns or (len(data) != self.count and not starts):
            raise ValueError(
                f"A new column needs a name other than {self.columns!r} and {self.count} cells. "
                f"Received: name={name!r}, {len(data)} cells"
            )
        self.flush()
        rows = self.data if self.count else [[]] * len(data)
        self.columns.append(name)
        ColumnTypeMap(self).add(name, optional=optional)
        store = self._new_store()
        for row, cell in zip(rows, data, strict=True):
            store.write([store.prepare([*row, cell])])
        self.store, self.count = store, len(store)
        self.last_read = _NOTHING_READ

    def write(self, rows: Iterable[Sequence[Any]]) -> None:
        """Writes rows in this thread, which is the background's."""
        self._write(self.store.prepare(row) for row in rows)
        self.count = len(self.store)

    def hand_over(self) -> None:
        """Hands the added rows to the background thread."""
        chunk, self._chunk = self._chunk, []
        if chunk:
            self._background.submit(partial(self._store_rows, chunk))

    def flush(self) -> None:
        """Waits until the rows that were added are stored."""
        self.hand_over()
        self._background.flush()

    def bind_to_run(self, *args: Any, **kwargs: Any) -> None:
        """Waits until all rows are stored; wandb then reads all of them."""
        if self.waiting:
            self.flush()
        super().bind_to_run(*args, **kwargs)  # type: ignore[no-untyped-call]

    @classmethod
    def with_suffix(cls, name: str, filetype: str = "json") -> str:
        """Returns a name with the ending of tables."""
        return wandb.Table.with_suffix(name, filetype)

    def _new_store(self) -> TableStore:
        return TableStore(self, self._source)

    def _write(self, rows: Iterable[list[Any]]) -> None:
        if self.is_incomplete:
            return
        self.is_incomplete = True
        self.store.write(rows)
        self.is_incomplete = False

    def _store_rows(self, rows: list[list[Any]]) -> None:
        first = len(self.store)
        self._write(rows)
        if not self.is_incomplete:
            for index in range(first, first + len(rows)):
                del self.waiting[index]


class _Rows(Sequence[list[Any]]):
    """The rows of a table: read back from the file, or from memory while they wait."""

    def __init__(self, table: SpooledTable) -> None:
        self._table = table

    def __len__(self) -> int:
        return self._table.count

    @overload
    def __getitem__(self, index: int) -> list[Any]: ...

    @overload
    def __getitem__(self, index: slice) -> list[list[Any]]: ...

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        known, row = self._table.last_read  # the cells of a row are usually read in turn
        if index == known:
            return row
        number = index + len(self) if index < 0 else index
        if not 0 <= number < len(self):
            raise IndexError(f"There are {len(self)} rows. Received: {index!r}")
        waiting = self._table.waiting.get(number)
        row = self._table.store.read(number) if waiting is None else [*map(_shown, waiting)]
        self._table.last_read = (number, row)
        return row


def _shown(cell: Any) -> Any:
    """Returns a cell that waits; of an image a copy, since its user makes it an ordinary one."""
    return TableImage.taken_from(cell) if isinstance(cell, TableImage) else cell
