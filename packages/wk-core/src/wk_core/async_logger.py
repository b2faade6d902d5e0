"""The rows of a callback: logged behind the training, in order, before the run finishes."""

import threading
from collections.abc import Callable
from typing import Any, Final

import wandb

from wk_core.run import close_before_finish
from wk_core.run_rows import rows_of
from wk_core.task_queue import TaskQueue

__all__ = ["AsyncLogger"]

# How many tasks may wait; then training waits. Some hold a batch, a table or a picture.
_CAPACITY: Final = 256


class AsyncLogger:
    """Logs the rows of one callback to its run, in a background thread.

    What a task raises comes back to the training: the next `log`, `submit` or `flush` raises it,
    or `close`. Where a `fit` never comes to its end, the rows are logged before the run finishes,
    and errors are said.

    Args:
        run: The run. Where it is disabled, no row is made or logged.
        name: The callback's class, for what is said of errors.

    Example:
        ```python
        import wandb
        from wk_core import AsyncLogger

        with wandb.init(mode="offline") as run:
            rows = AsyncLogger(run, "MyCallback")
            rows.log(lambda: {"answer": 42})
            rows.close()
            assert run.summary["answer"] == 42
        ```
    """

    def __init__(self, run: wandb.Run, name: str) -> None:
        self._run = run
        self._name = name
        self._queue = TaskQueue(f"{name}'s log", capacity=_CAPACITY)
        self._rows = rows_of(run)
        self._lock = threading.Lock()
        self._is_closed = False
        self._stop_draining = self._rows.before_users(self._drain)
        self._withdraw = close_before_finish(run, self._finish, name)

    def log(self, make_row: Callable[[], dict[str, Any]]) -> None:
        """Logs a row to the run, which is made in the background.

        Where a logger keeps a row open, it becomes part of that (`wk_core.run_rows`). Without
        entries it is no row.
        Where the run has finished meanwhile, or is about to, nothing is made or logged.

        Raises:
            BaseException: What went wrong before.
        """
        if self._run.disabled or self._rows.has_finished(self._run):
            return

        def task() -> None:
            try:
                row = make_row()
                if row:
                    self._rows.add(self._run, row)
            finally:
                self._rows.arrived(self._queue.drain)

        with self._lock:
            if self._is_closed:
                return
            self._rows.await_row(self._queue.drain)
            try:
                self._queue.submit(task)
            except BaseException:
                self._rows.arrived(self._queue.drain)
                raise

    def submit(self, task: Callable[[], None]) -> None:
        """Runs a task in its turn; does nothing where the run has finished meanwhile.

        Raises:
            BaseException: What went wrong before.
        """
        if self._rows.has_finished(self._run):
            return
        with self._lock:
            if not self._is_closed:
                self._queue.submit(task)

    def flush(self) -> None:
        """Waits until everything is logged.

        Raises:
            BaseException: What went wrong.
        """
        self._queue.flush()

    def close(self) -> None:
        """Waits until everything is logged, and ends the thread.

        Raises:
            BaseException: The first error that was not raised yet.
        """
        self._withdraw()
        error = self._finish()
        if error is not None:
            raise error

    def _finish(self) -> BaseException | None:
        """Does what is left to do; returns the first error that was not raised yet."""
        self._stop_draining()
        with self._lock:  # hooks that Keras holds in its pool of threads may come still
            self._is_closed = True
        return self._queue.close()

    def _drain(self) -> None:
        """Logs what comes before the user's values, which the next row would take along."""
        if not self._rows.is_kept or self._rows.is_due or self._rows.uses_steps:
            self._queue.drain()
