"""The requests that the server has answered, and what it could not answer."""

from typing import Any

from wandb_loopback.store.store import Store


class Journal:
    """A log that survives a kill.

    It writes outside the transactions of the requests, so it keeps those that fail.

    Args:
        store: Where to keep it.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def record_request(self, **columns: Any) -> None:
        """Record a request, when its answer is known."""
        names = ", ".join(columns)
        marks = ", ".join("?" * len(columns))
        self._store.execute(f"INSERT INTO request ({names}) VALUES ({marks})", *columns.values())

    def record_gap(self, message: str) -> None:
        """Record something that a client asked for and the server lacks."""
        self._store.execute("INSERT OR IGNORE INTO gap (message) VALUES (?)", message)

    def requests(self) -> list[dict[str, Any]]:
        """The requests, in the order in which they were answered."""
        return [dict(row) for row in self._store.execute("SELECT * FROM request ORDER BY number")]

    def gaps(self) -> list[str]:
        """The gaps, each once."""
        rows = self._store.execute("SELECT message FROM gap ORDER BY number")
        return [row["message"] for row in rows]

    def forget_gaps(self) -> None:
        """Begin again without gaps, for a test that provokes one."""
        self._store.execute("DELETE FROM gap")
