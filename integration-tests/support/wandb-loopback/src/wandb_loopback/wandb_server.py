"""What a test can do with its server: make it fail, and look at what it has seen and stored."""

from dataclasses import dataclass
from typing import Any

from wandb_loopback.faults import Action, Kind, Scope
from wandb_loopback.process import ServerProcess


@dataclass(frozen=True)
class SeenRequest:
    """A request that reached the server.

    Args:
        number: Its place in the order of the answers.
        kind: What it was for.
        method: Its HTTP method.
        path: The path of its address.
        operation: The name of the query, for GraphQL.
        status: The HTTP status of the answer, or None if there was none.
        fault: What was done to it on purpose, if anything.
    """

    number: int
    kind: Kind
    method: str
    path: str
    operation: str | None
    status: int | None
    fault: Action | None


class WandbServer(ServerProcess):
    """A server in a process of its own, which can be told to fail, killed and asked.

    Args:
        state: The directory in which it remembers things; it can be killed and started again.
    """

    # Faults

    def fail(self, scope: Scope = "all", status: int = 503, **limits: Any) -> None:
        """Answer requests with an HTTP error.

        Args:
            scope: The kind of requests. Defaults to all.
            status: The HTTP status. Defaults to 503.
            **limits: `times`, `seconds`, `after`, `operation` and `method`, as of `Fault`.
        """
        self._order(action="status", scope=scope, status=status, **limits)

    def drop(self, scope: Scope = "all", **limits: Any) -> None:
        """Close connections without an answer, and without doing what was asked."""
        self._order(action="drop", scope=scope, **limits)

    def stall(self, scope: Scope = "all", **limits: Any) -> None:
        """Give no answer until the fault is over; then close the connections."""
        self._order(action="stall", scope=scope, **limits)

    def lose_reply(self, scope: Scope = "all", **limits: Any) -> None:
        """Do what was asked, but close the connections without an answer."""
        self._order(action="lose_reply", scope=scope, **limits)

    def corrupt(self, scope: Scope = "files", **limits: Any) -> None:
        """Change one byte of what the client sent, as if it had suffered on the way."""
        self._order(action="corrupt", scope=scope, **limits)

    def heal(self) -> None:
        """End all faults."""
        self.tell("DELETE", "faults")

    def recover(self) -> None:
        """Start the server if it is down, and end all faults."""
        if not self.running:
            self.start()
        self.heal()

    def _order(self, **fault: Any) -> None:
        self.tell("POST", "faults", fault)

    # What there is to see

    def requests(self, kind: Kind | None = None, operation: str | None = None) -> list[SeenRequest]:
        """The requests so far, in the order of their answers.

        Args:
            kind: Only these. Defaults to all.
            operation: Only GraphQL queries of this name. Defaults to all.
        """
        seen = [SeenRequest(**each) for each in self.ask()["requests"]]
        return [
            each
            for each in seen
            if kind in (None, each.kind) and operation in (None, each.operation)
        ]

    def stored_bytes(self) -> int:
        """The bytes of all files that the server holds, each content counted once."""
        return sum(self.ask()["blobs"].values())

    def has_bytes(self, digest: str) -> bool:
        """Whether the server holds a content, given its MD5 digest in hexadecimal digits."""
        return digest in self.ask()["blobs"]

    def gaps(self) -> list[str]:
        """What a client asked for and this server lacks."""
        gaps: list[str] = self.ask()["gaps"]
        return gaps

    def forget_gaps(self) -> None:
        """Forgive the gaps so far, for a test that provokes one."""
        self.tell("DELETE", "gaps")
