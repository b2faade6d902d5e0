"""Where the rows of a callback go: behind the training, in order, before the run finishes."""

from collections.abc import Callable
from typing import Any, Final

import wandb

from wk_core.background import Background
from wk_core.run import before_finish

__all__ = ["RowLog"]

# How many tasks may wait; then training waits. Some hold a batch, a table or a picture.
_CAPACITY: Final = 256


class RowLog:
    """Logs the rows of one callback to its run, in a background thread.

    What a task raises comes back to the training: the next `log`, `submit` or `flush` raises it,
    or `close`. Where a `fit` never comes to its end, what was handed over is logged before the run
    finishes, and what went wrong is said.

    Args:
        run: The run. Where it is disabled, no row is made or logged.
        name: The callback's class, for what is said of errors.

    Example:
        ```python
        import wandb
        from wk_core.row_log import RowLog

        with wandb.init(mode="offline") as run:
            rows = RowLog(run, "MyCallback")
            rows.log(lambda: {"answer": 42})
            rows.close()
            assert run.summary["answer"] == 42
        ```
    """

    def __init__(self, run: wandb.Run, name: str) -> None:
        self._run = run
        self._name = name
        self._background = Background(f"{name}'s log", capacity=_CAPACITY)
        self._withdraw = before_finish(run, self._close_interrupted)

    def log(self, make_row: Callable[[], dict[str, Any]]) -> None:
        """Logs a row to the run, which is made in the background.

        Raises:
            BaseException: What went wrong before.
        """
        if not self._run.disabled:
            self._background.submit(lambda: self._run.log(make_row()))

    def submit(self, task: Callable[[], None]) -> None:
        """Has something else done in its turn.

        Raises:
            BaseException: What went wrong before.
        """
        self._background.submit(task)

    def flush(self) -> None:
        """Waits until everything is logged.

        Raises:
            BaseException: What went wrong.
        """
        self._background.flush()

    def close(self) -> None:
        """Waits until everything is logged, and ends the thread.

        Raises:
            BaseException: The first error that nobody has been told of.
        """
        self._withdraw()
        error = self._finish()
        if error is not None:
            raise error

    def _finish(self) -> BaseException | None:
        """Does what is left to be done; returns the first error that nobody has been told of."""
        return self._background.close()

    def _close_interrupted(self) -> None:
        """Closes before the run finishes, after a `fit` that never came to its end."""
        error = self._finish()
        if error is not None:
            wandb.termerror(f"{self._name} could not log everything: {error!r}")
