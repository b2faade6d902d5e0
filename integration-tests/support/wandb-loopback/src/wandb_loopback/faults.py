"""Faults that a test can order: which requests they hit, and how long they last."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Literal, get_args

Kind = Literal["graphql", "file_stream", "files", "other"]
"""What a request is for: queries, the stream of a run, or bytes that go up or down."""

Scope = Literal["graphql", "file_stream", "files", "all"]
"""Which kind of requests a fault hits."""

Action = Literal["status", "drop", "stall", "lose_reply", "corrupt"]
"""What a fault does.

* `status`: answer with an HTTP error instead of doing anything.
* `drop`: close the connection without an answer, and without doing anything.
* `stall`: give no answer until the fault is over, then close the connection.
* `lose_reply`: do what the request says, then close the connection without an answer.
* `corrupt`: change one byte of what the client sent before looking at it.
"""


@dataclass
class Fault:
    """A fault that a test has ordered.

    Args:
        action: What to do to a request.
        scope: The kind of requests to hit. Defaults to all.
        status: The HTTP status for the action `status`. Defaults to 503.
        times: How many requests to hit. Defaults to no limit.
        seconds: How long to go on. Defaults to no limit.
        from_first: Whether to count the seconds from the first request that is hit, however late a
            busy client sends it. Defaults to counting them from now.
        after: How many requests to spare first. Defaults to none.
        operation: Hit only GraphQL queries of this name. Defaults to any.
        method: Hit only requests by this HTTP method. Defaults to any.
    """

    action: Action
    scope: Scope = "all"
    status: int = 503
    times: int | None = None
    seconds: float | None = None
    from_first: bool = False
    after: int = 0
    operation: str | None = None
    method: str | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event, compare=False)

    def __post_init__(self) -> None:
        """Check the order, and start the clock."""
        for value, kind in ((self.action, Action), (self.scope, Scope)):
            if value not in get_args(kind):
                raise ValueError(f"expected one of {get_args(kind)}, got {value!r}")
        self._deadline: float | None = None
        if not self.from_first:
            self._start_clock()

    @property
    def remaining(self) -> float | None:
        """The seconds until the fault is over by itself, or None if it has no end."""
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def hits(self, kind: Kind, method: str, operation: str | None) -> bool:
        """Whether this request is to fail; asking counts it."""
        if (
            self.scope not in ("all", kind)
            or self.method not in (None, method)
            or self.operation not in (None, operation)
            or self.times == 0
            or self.remaining == 0
        ):
            return False
        if self.after > 0:
            self.after -= 1
            return False
        if self.times is not None:
            self.times -= 1
        if self._deadline is None:
            self._start_clock()
        return True

    async def wait(self) -> None:
        """Return once the fault is over."""
        try:
            await asyncio.wait_for(self.over.wait(), self.remaining)
        except TimeoutError:
            return

    def _start_clock(self) -> None:
        if self.seconds is not None:
            self._deadline = time.monotonic() + self.seconds


class Faults:
    """The active faults; they end with the process."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def order(self, fault: Fault) -> None:
        """Add a fault, after those that are active."""
        self._faults.append(fault)

    def heal(self) -> None:
        """End all faults, and release the requests that they stall."""
        for fault in self._faults:
            fault.over.set()
        self._faults.clear()

    def next_for(self, kind: Kind, method: str, operation: str | None) -> Fault | None:
        """The first fault that hits a request, if one does."""
        hitting = (fault for fault in self._faults if fault.hits(kind, method, operation))
        return next(hitting, None)
