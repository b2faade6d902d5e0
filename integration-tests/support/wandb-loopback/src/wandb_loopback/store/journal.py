"""What tests ask about the server itself: the requests it saw and the gaps they ran into."""

from typing import Any

from wandb_loopback.store.store import Store


class Journal:
    """A record that survives a kill, kept outside of the transactions of the requests.

    Args:
        store: Where to keep it.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def note_request(self, **columns: Any) -> None:
        """Note one request once its answer is known."""
        names = ", ".join(columns)
        marks = ", ".join("?" * len(columns))
        self._store.execute(f"INSERT INTO request ({names}) VALUES ({marks})", *columns.values())

    def note_gap(self, message: str) -> None:
        """Note something that a client asked for and the server lacks."""
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
