"""Reads back the tables that an offline run has logged as artifacts."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from wk_testing.wandb_file import RunFile


@dataclass
class LoggedTable:
    """A table in one version of an artifact.

    Attributes:
        artifact: The artifact's record.
        path: The table's path in the artifact.
        json: What its file holds.
    """

    artifact: Any
    path: str
    json: dict[str, Any]

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        columns: list[str] = self.json["columns"]
        return columns

    @property
    def rows(self) -> list[list[Any]]:
        """The rows, as JSON has them."""
        rows: list[list[Any]] = self.json["data"]
        return rows

    def column(self, name: str) -> list[Any]:
        """Returns the cells of a column."""
        return [row[self.columns.index(name)] for row in self.rows]

    @property
    def type_names(self) -> dict[str, set[str]]:
        """The names of wandb's types that each column takes."""
        types = self.json["column_types"]["params"]["type_map"]
        return {
            name: {
                each["wb_type"]
                for each in described.get("params", {}).get("allowed_types", [described])
            }
            for name, described in types.items()
        }

    @property
    def files(self) -> set[str]:
        """The paths of the files that are uploaded with it."""
        return {entry.path for entry in self.artifact.manifest.contents if not entry.ref}

    @property
    def references(self) -> dict[str, str]:
        """What entries refer to in other artifacts, by path."""
        return {entry.path: entry.ref for entry in self.artifact.manifest.contents if entry.ref}

    def pixels(self, path: str) -> npt.NDArray[np.uint8]:
        """Returns the pixels of a picture."""
        (entry,) = [each for each in self.artifact.manifest.contents if each.path == path]
        with Image.open(entry.local_path) as picture:
            return np.asarray(picture)


def logged_tables(run: RunFile, name: str) -> list[LoggedTable]:
    """Returns the tables of all versions of an artifact, in their order."""
    tables = []
    for artifact in run.artifacts:
        if artifact.name == name:
            entries = artifact.manifest.contents
            (entry,) = [each for each in entries if _is_own_table(each)]
            content = json.loads(Path(entry.local_path).read_text())
            tables.append(LoggedTable(artifact, entry.path, content))
    return tables


def _is_own_table(entry: Any) -> bool:
    """Returns whether an artifact's entry is its own table, not a linked table."""
    is_linked = bool(entry.ref) or entry.path.startswith("media/")
    return entry.path.endswith(".table.json") and not is_linked
