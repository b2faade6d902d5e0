"""The open row of a run, which the user, a logger and other callbacks share.

W&B adds what is logged with `commit=False`, or under a `step`, to a row that stays open until it is
committed. All rows of wk are logged in the background: without a common view of the open row, they
would commit the user's row at any moment, or be committed with it.
"""

import threading
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import wandb

from wk_core.compat.entries import say_missing
from wk_core.compat.wandb.run_hooks import has_finished, knows_others_steps, watch_rows
from wk_core.task_queue import is_queue_thread

__all__ = ["RunRows", "rows_of"]


class RunRows:
    """Follows all rows that this process logs to a run, and the row that is open.

    Attributes:
        is_open: Whether there is a row that is not complete.
        is_shared: Whether the user has left a row open since this object exists.
        uses_steps: Whether the user has named the step of a row. Then a late row of wk's must not
            move the step past the user's.
        has_workers: Whether other processes may log to the run.
    """

    def __init__(self) -> None:
        self.is_open = False
        self.is_shared = False
        self.uses_steps = False
        self.has_workers = False
        self._lock = threading.RLock()
        self._own = threading.local()
        self._open: dict[str, Any] | None = None  # its numbers; None for what is none
        self._step: int | None = None  # its step, if one was named
        self._before_users: list[Callable[[], None]] = []
        self._keepers = 0
        self._has_own = False  # whether wk has added to the open row
        self._awaited: list[Callable[[], None]] = []
        self._when_quiet: Callable[[], None] | None = None
        self._has_said_finished = False

    def log(
        self, run: wandb.Run, row: Mapping[str, Any], *, step: int | None = None, commit: Any = None
    ) -> None:
        """Logs a row of wk's; says once if the run has finished, and logs nothing then."""
        if self.has_finished(run):
            return
        self._own.is_writing = True
        try:
            run.log(dict(row), step=step, commit=commit)
        finally:
            self._own.is_writing = False

    def add(self, run: wandb.Run, row: Mapping[str, Any]) -> None:
        """Adds a row to the row that a logger keeps open.

        If the open row has another value of a key, it is committed first, and keeps its value. If
        no logger keeps a row open, nor has kept it for others that are still on their way, this row
        is committed, with what the user has added to it.
        """
        with self._lock:
            self._make_room(run, row)
            stays_open = self.is_kept or self.is_due
            self.log(run, row, commit=False if stays_open else None)

    def keep_open(self, run: wandb.Run, row: Mapping[str, Any]) -> None:
        """Logs a row that stays open.

        If the open row has another value of a key, as of an axis, it is committed first: the value
        would be lost.
        """
        with self._lock:
            self._make_room(run, row)
            self.log(run, row, commit=False)

    def open(self, run: wandb.Run, row: Mapping[str, Any], step: int) -> int:
        """Logs a row that stays open, under a step where that is not past; returns its step.

        No other callback logs meanwhile: its row could take that step.
        """
        with self._lock:
            if step > _current_step(run) and self._knows_step(run):
                self.log(run, row, step=step)
                return step
            # Not by number: other processes may log meanwhile, and pass it.
            self.keep_open(run, row)
            return _current_step(run)

    def complete_step(self, run: wandb.Run, step: int) -> None:
        """Commits the open row that `open` has logged under a step, or what was added after it."""
        if not self._knows_step(run):
            self.complete(run)
        elif run.step <= step:
            self.log(run, {}, step=step, commit=True)
        elif self._has_own:  # the user has committed that row before others have added to it
            self.complete(run)

    def complete(self, run: wandb.Run) -> None:
        """Commits the open row, if there is one."""
        with self._lock:
            if self._open is not None:
                self.log(run, {}, commit=True)

    def has_finished(self, run: wandb.Run) -> bool:
        """Returns whether the run takes no more rows; says so once."""
        finished = has_finished(run)
        if finished and not self._has_said_finished:
            self._has_said_finished = True
            wandb.termwarn(
                f"Run {run.id!r} was finished while a training reports to it: "
                "what comes later is not logged."
            )
        return finished

    @property
    def is_due(self) -> bool:
        """Whether the open row would be complete, but for rows that belong to it."""
        return self._when_quiet is not None

    @property
    def is_kept(self) -> bool:
        """Whether a logger keeps rows open for others to add to."""
        return self._keepers > 0

    def start_keeping(self) -> None:
        """Counts a logger that opens rows, for others to add to, until `stop_keeping`."""
        self._keepers += 1

    def stop_keeping(self) -> None:
        """Counts a logger less."""
        self._keepers -= 1

    def before_users(self, task: Callable[[], None]) -> Callable[[], None]:
        """Runs `task` before the user's values are added to a row, to log what comes before.

        Returns:
            A function that takes the request back.
        """
        self._before_users.append(task)

        def withdraw() -> None:
            if task in self._before_users:
                self._before_users.remove(task)

        return withdraw

    def await_row(self, fetch: Callable[[], None]) -> None:
        """Counts a row for `add` that is on its way; `fetch` waits until it has arrived."""
        with self._lock:
            self._awaited.append(fetch)

    def fetch_awaited(self) -> None:
        """Waits until every awaited row is there, before a row that comes after them.

        Does nothing where a row is made: two threads would wait for each other.
        """
        if is_queue_thread():
            return
        with self._lock:
            awaited = dict.fromkeys(self._awaited)
        for fetch in awaited:
            fetch()

    def arrived(self, fetch: Callable[[], None]) -> None:
        """Counts an awaited row less: it is there, or will not come."""
        with self._lock:
            self._awaited.remove(fetch)
            if not self._awaited and self._when_quiet is not None:
                task, self._when_quiet = self._when_quiet, None
                task()

    def when_quiet(self, task: Callable[[], None] | None) -> None:
        """Runs `task` as soon as no row is awaited, in place of the task given before."""
        with self._lock:
            self._when_quiet = task
            if task is not None and not self._awaited:
                self._when_quiet = None
                task()

    def publish(
        self,
        publish: Callable[..., None],
        row: Mapping[str, Any],
        step: int | None,
        commit: bool | None,
    ) -> None:
        """Passes a row on to W&B, in its turn; a row of wk's or of the user's."""
        stays_open = not commit if commit is not None else step is not None
        is_own = getattr(self._own, "is_writing", False)
        if stays_open and not is_own:
            self.is_shared = True
            self.uses_steps |= step is not None
            for task in list(self._before_users):
                task()
        elif (self.is_kept or self.is_due) and not is_own:  # it completes the open row
            self.fetch_awaited()
        with self._lock:
            publish(row, step, commit)
            if step is not None and step != self._step:  # the one before is complete
                self._open, self._step, self._has_own = None, step, False
            self._open = {**(self._open or {}), **_numbers(row)} if stays_open else None
            self._has_own = stays_open and (self._has_own or is_own)
            self.is_open = stays_open

    def _knows_step(self, run: wandb.Run) -> bool:
        """Returns whether a row that names its step cannot be dropped for being late."""
        if not self.has_workers or knows_others_steps(run):
            return True
        say_missing(knows_others_steps)
        return False

    def _make_room(self, run: wandb.Run, row: Mapping[str, Any]) -> None:
        """Commits the open row, if a new one would replace values of it."""
        if self._has_others(_numbers(row)):
            self.complete(run)

    def _has_others(self, numbers: Mapping[str, Any]) -> bool:
        """Returns whether the open row has other values of these keys."""
        known = self._open or {}
        return any(
            key in known and (number is None or known[key] != number)
            for key, number in numbers.items()
        )


def rows_of(run: wandb.Run) -> RunRows:
    """Returns the one `RunRows` that all callbacks share which report to `run`."""
    rows = _rows.get(run)
    if rows is None:
        rows = _rows[run] = RunRows()
        if not run.disabled:
            watch_rows(run, rows.publish)
    return rows


def _current_step(run: wandb.Run) -> int:
    # Online, a resumed run's `step` is 0 until its first row.
    return max(run.step, run.starting_step)


def _numbers(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value if isinstance(value, (int, float)) else None for key, value in row.items()}


_rows: "weakref.WeakKeyDictionary[wandb.Run, RunRows]" = weakref.WeakKeyDictionary()
