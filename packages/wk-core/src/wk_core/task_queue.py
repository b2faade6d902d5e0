"""An ordered, bounded queue of tasks in a background thread, whose errors come back."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

__all__ = ["TaskQueue", "is_queue_thread"]

# How many seconds the thread waits for more tasks before it runs them: waking it for each task
# would cost the submitting thread more than the submission itself.
_GATHER: Final = 0.05


class _QueueThread(threading.Thread):
    """The thread of a `TaskQueue`."""


def is_queue_thread() -> bool:
    """Returns whether a `TaskQueue` calls this: then to wait for another may be without an end."""
    return isinstance(threading.current_thread(), _QueueThread)


class TaskQueue:
    """Runs tasks one after the other in a thread of its own.

    Tasks run in the order of their submission. The thread starts with the first one. When a task
    raises, those behind it still run, and the first error is raised by the next `submit`,
    `wait_for_room` or `flush`, or returned by `close`.

    Args:
        name: The thread's name.
        capacity: How many tasks may wait; `submit` and `wait_for_room` block above that.

    Example:
        ```python
        from wk_core import TaskQueue

        done = []
        queue = TaskQueue("example", capacity=100)
        queue.submit(lambda: done.append(1))
        queue.flush()
        assert done == [1]
        assert queue.close() is None
        ```
    """

    def __init__(self, name: str, *, capacity: int) -> None:
        self._name = name
        self._capacity = capacity
        self._tasks: deque[Callable[[], None]] = deque()
        self._wake = threading.Event()
        self._hurry = threading.Event()
        self._progress = threading.Condition()
        self._thread: _QueueThread | None = None
        self._running_task = False
        self._waiting_for_room = 0
        self._closing = False
        self._abandoned = False
        self._error: BaseException | None = None

    @property
    def busy(self) -> bool:
        """Whether a task is waiting or running."""
        return bool(self._tasks) or self._running_task

    def submit(self, task: Callable[[], None]) -> None:
        """Adds a task; waits while `capacity` tasks are waiting.

        Raises:
            RuntimeError: If the thread was closed.
            BaseException: What an earlier task raised.
        """
        if self._closing:
            raise RuntimeError(f"{self._name} is closed and takes no more tasks.")
        if len(self._tasks) >= self._capacity or self._error is not None:
            self.wait_for_room()
        self._tasks.append(task)
        if self._thread is None:
            self._start()
        if not self._wake.is_set():
            self._wake.set()

    def wait_for_room(self) -> None:
        """Waits until fewer than `capacity` tasks are waiting.

        Raises:
            BaseException: What an earlier task raised.
        """
        if len(self._tasks) >= self._capacity:
            with self._progress:
                self._waiting_for_room += 1
                self._hurry.set()
                self._progress.wait_for(lambda: len(self._tasks) < self._capacity)
                self._waiting_for_room -= 1
        if self._error is not None:
            self._raise_error()

    def flush(self) -> None:
        """Waits until every task submitted so far has run.

        Raises:
            BaseException: What a task raised.
        """
        self._drain()
        self._raise_error()

    def hurry(self) -> None:
        """Runs what was submitted at once, without a wait for more."""
        self._hurry.set()

    def drain(self) -> None:
        """Waits until every task submitted so far has run; what one raised is raised later."""
        if threading.current_thread() is not self._thread:
            self._drain()

    def close(self) -> BaseException | None:
        """Runs the tasks that are waiting and ends the thread; does nothing the second time.

        Returns:
            The first error of a task that has not been raised yet, or None.
        """
        self._drain()
        self._closing = True
        thread, self._thread = self._thread, None
        if thread is not None:
            self._hurry.set()
            self._wake.set()
            thread.join()
        error, self._error = self._error, None
        return error

    def abandon(self) -> None:
        """Drops the tasks that are waiting; the thread ends after the task that it is running."""
        self._closing = self._abandoned = True
        self._thread = None
        self._hurry.set()
        self._wake.set()

    def _start(self) -> None:
        # A daemon: at the end of the process the interpreter would otherwise wait for the thread
        # before it runs the exit hooks, one of which closes it.
        self._thread = _QueueThread(target=self._work, name=self._name, daemon=True)
        self._thread.start()

    def _drain(self) -> None:
        self._hurry.set()
        with self._progress:
            self._progress.wait_for(lambda: not self._tasks and not self._running_task)
        self._hurry.clear()

    def _raise_error(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _work(self) -> None:
        while True:
            self._wake.wait()
            self._hurry.wait(_GATHER)
            self._wake.clear()
            self._run_waiting()
            if self._abandoned or (self._closing and not self._tasks):
                return

    def _run_waiting(self) -> None:
        while self._tasks and not self._abandoned:
            self._running_task = True  # before the queue is empty: never idle in between
            task = self._tasks.popleft()
            try:
                task()
            except BaseException as error:  # handed to the next caller, who raises it
                self._error = self._error or error
            self._running_task = False
            if self._waiting_for_room:
                self._announce()
        self._announce()

    def _announce(self) -> None:
        with self._progress:
            self._progress.notify_all()
