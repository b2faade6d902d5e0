"""The server's memory: one SQLite file and one directory of blobs.

Both survive a SIGKILL, because a client treats a run that the server has forgotten as lost for
good. A request is one transaction: it is remembered completely or not at all.
"""

import base64
import binascii
import hashlib
import random
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from wandb_loopback.errors import RefusalError

TABLES = Path(__file__).with_name("tables.sql")

R = TypeVar("R", bound="Record")


def now() -> str:
    """The time in the form in which the client expects it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def global_id(kind: str, number: int | str) -> str:
    """An identifier for GraphQL; in base64, because the client decodes it."""
    return base64.b64encode(f"{kind}:{number}".encode()).decode()


def number_of(identifier: str, kind: str) -> int:
    """The number in an identifier that is meant to be one of a kind."""
    name, _, number = base64.b64decode(identifier).decode().partition(":")
    if name != kind:
        raise RefusalError(f"{identifier!r} identifies a {name}, not a {kind}", status=400)
    return int(number)


def hex_of(digest: str) -> str:
    """A digest in hexadecimal digits, given in base64 as the client writes it."""
    try:
        return base64.b64decode(digest, validate=True).hex()
    except binascii.Error as error:
        raise RefusalError(f"not a digest in base64: {digest!r}", status=400) from error


def base64_of(digest: str) -> str:
    """The reverse of `hex_of`."""
    return base64.b64encode(bytes.fromhex(digest)).decode()


@dataclass(frozen=True)
class Record:
    """A row of a table, with the columns as fields; subclasses add what follows from them."""

    table: ClassVar[str]

    store: "Store"
    number: int

    @property
    def id(self) -> str:
        """The identifier that clients use for this record."""
        return global_id(type(self).__name__, self.number)

    def change(self, **columns: Any) -> Self:
        """Write new values and return the record as it then is."""
        assignments = ", ".join(f'"{column}" = ?' for column in columns)
        self.store.execute(
            f"UPDATE {self.table} SET {assignments} WHERE number = ?",
            *columns.values(),
            self.number,
        )
        return self.store.get(type(self), self.number)


class Store:
    """The state of one server.

    Args:
        directory: Where the state is, or begins.
        url: The address of the server, for the links in its answers.
    """

    def __init__(self, directory: Path, url: str) -> None:
        self.url = url
        self.blobs = Blobs(directory / "blobs")
        file = directory / "server.sqlite"
        is_new = not file.exists()
        self._connection = sqlite3.connect(file, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        # A killed process loses nothing either way; waiting for the disk only protects against
        # a power cut, which no test brings about.
        self._connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;")
        if is_new:
            self._create_tables()
        self.execute("PRAGMA foreign_keys = ON")

    def _create_tables(self) -> None:
        """Make the tables, with numbering that begins at a random number.

        The client keeps artifacts in memory by their identifier, so two servers used by one
        process must not give the same identifier to different artifacts.
        """
        statements = TABLES.read_text()
        first = random.randrange(2**29)
        numbered = re.findall(r"CREATE TABLE (\w+) \(\s*number INTEGER .*AUTOINCREMENT", statements)
        seeds = [f"INSERT INTO sqlite_sequence VALUES ('{name}', {first});" for name in numbered]
        self._connection.executescript("\n".join(["BEGIN;", statements, *seeds, "COMMIT;"]))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep all that happens inside, or nothing if an exception leaves the block."""
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.execute("ROLLBACK")
            raise
        self.execute("COMMIT")

    def execute(self, statement: str, *values: Any) -> list[sqlite3.Row]:
        """Run one SQL statement and return its rows."""
        return self._connection.execute(statement, values).fetchall()

    def add(self, kind: type[R], **columns: Any) -> R:
        """Insert a record."""
        names = ", ".join(f'"{column}"' for column in columns)
        marks = ", ".join("?" * len(columns))
        rows = self.execute(
            f"INSERT INTO {kind.table} ({names}) VALUES ({marks}) RETURNING number",
            *columns.values(),
        )
        return self.get(kind, rows[0]["number"])

    def all(self, kind: type[R], where: str = "TRUE", *values: Any) -> list[R]:
        """The records that satisfy a condition, oldest first."""
        statement = f"SELECT * FROM {kind.table} WHERE {where} ORDER BY number"
        return [kind(store=self, **dict(row)) for row in self.execute(statement, *values)]

    def first(self, kind: type[R], where: str, *values: Any) -> R | None:
        """The oldest record that satisfies a condition, if there is one."""
        return next(iter(self.all(kind, where, *values)), None)

    def get(self, kind: type[R], number: int) -> R:
        """The record with a number."""
        record = self.first(kind, "number = ?", number)
        if record is None:
            raise RefusalError(f"{kind.__name__} not found", status=404)
        return record

    def by_id(self, kind: type[R], identifier: str) -> R:
        """The record that a client means by an identifier."""
        return self.get(kind, number_of(identifier, kind.__name__))

    def sweep(self) -> None:
        """Delete the blobs that nothing names any more."""
        named = self.execute(
            "SELECT blob FROM entry UNION SELECT blob FROM run_file UNION SELECT blob FROM manifest"
        )
        self.blobs.keep_only({row["blob"] for row in named})


class Blobs:
    """Contents by their MD5 digest; no name that a client chose ever becomes a file name."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def add(self, content: bytes) -> str:
        """Store a content, so that its file is either whole or absent, and return its digest."""
        digest = hashlib.md5(content).hexdigest()
        target = self.path(digest)
        if not target.exists():
            partial = target.with_suffix(".partial")
            partial.write_bytes(content)
            partial.replace(target)
        return digest

    def path(self, digest: str) -> Path:
        """Where the content with a digest is, or would be."""
        if not re.fullmatch("[0-9a-f]{32}", digest):
            raise RefusalError(f"not an MD5 digest: {digest!r}", status=400)
        return self.directory / digest

    def size(self, digest: str) -> int | None:
        """The number of bytes of a stored content, or None if it is not stored."""
        path = self.path(digest)
        return path.stat().st_size if path.exists() else None

    def sizes(self) -> dict[str, int]:
        """The number of bytes of each stored content, by digest."""
        return {path.name: path.stat().st_size for path in self.directory.iterdir()}

    def keep_only(self, digests: set[str]) -> None:
        """Delete all other contents."""
        for path in self.directory.iterdir():
            if path.name not in digests:
                path.unlink()
