"""Logs the tables of a callback in the background."""

import contextlib
from collections.abc import Callable, Iterable
from functools import partial

import wandb

from wk_core.artifacts import check_name
from wk_core.async_logger import AsyncLogger
from wk_core.compat.wandb.artifacts import leave_out_descriptions, undisturbed_cache
from wk_core.compat.wandb.run_hooks import has_finished
from wk_core.task_queue import TaskQueue
from wk_eval.tables.image import deferred_images
from wk_eval.tables.spooled_table import SpooledTable
from wk_eval.tables.wandb_internals import log_used_artifact


class TableLogger(AsyncLogger):
    """Logs the tables and the rows of one callback to its run, in a background thread.

    They are logged in order, behind the training, and before the run finishes.

    Args:
        run: The run. If it is disabled, nothing is logged.
        name: The callback's class, for errors.

    Attributes:
        last: Called last, once, if nothing has failed.
    """

    def __init__(self, run: wandb.Run, name: str) -> None:
        super().__init__(run, name)
        leave_out_descriptions(run)
        self._deferral = contextlib.ExitStack()
        self._is_deferring = False
        self.last: Callable[[], None] | None = None

    def defer_images(self) -> None:
        """Begins `deferred_images()` in this thread; does nothing if it has begun."""
        if not self._is_deferring:
            self._is_deferring = True
            self._deferral.enter_context(deferred_images())

    def stop_deferring(self) -> None:
        """Ends `deferred_images()`, in any thread; does nothing if it has ended."""
        self._is_deferring = False
        self._deferral.close()

    def table(
        self, columns: list[str], *, source: SpooledTable | None = None, mixed: bool = False
    ) -> SpooledTable:
        """Returns an empty table.

        Args:
            columns: The names of its columns.
            source: A table that was logged before, whose media the new table refers to.
            mixed: Whether a column takes cells of any type.
        """
        return SpooledTable(columns, self._queue, source=source, allow_mixed_types=mixed)

    def log_data(self, table: SpooledTable, name: str, type: str, table_name: str) -> None:  # noqa: A002
        """Logs a table that others will refer to, as an artifact that the run uses as well."""
        self._log(table, name, type, table_name, aliases=(), is_source=True)

    def log_predictions(
        self,
        table: SpooledTable,
        name: str,
        type: str,  # noqa: A002
        table_name: str,
        aliases: Iterable[str],
    ) -> None:
        """Logs a table that no other table refers to, as a new version of its artifact."""
        self._log(table, name, type, table_name, aliases=tuple(aliases), is_source=False)

    def _finish(self) -> BaseException | None:
        self.stop_deferring()
        error = super()._finish()
        last, self.last = self.last, None  # once: the training closes, and the end of the run
        if error is None and last is not None and not self._run.disabled:
            background = TaskQueue("wk_eval.last", capacity=1)
            background.submit(last)
            error = background.close()
        return error

    def _log(
        self,
        table: SpooledTable,
        name: str,
        type: str,  # noqa: A002
        table_name: str,
        *,
        aliases: tuple[str, ...],
        is_source: bool,
    ) -> None:
        check_name(name, what=f"{self._name}: an artifact")
        if has_finished(self._run):
            return
        table.hand_over()
        if not self._run.disabled:
            task = partial(self.log_now, table, name, type, table_name, aliases, is_source)
            self._queue.submit(task)

    def log_now(
        self,
        table: SpooledTable,
        name: str,
        type: str,  # noqa: A002
        table_name: str,
        aliases: Iterable[str],
        is_source: bool = False,
    ) -> None:
        """Logs a table in this thread, which is the background's."""
        if table.is_incomplete:  # the error that made it so has been raised
            return
        with undisturbed_cache():
            artifact = wandb.Artifact(name, type=type)
        path = table.store.add_to(artifact, table_name)
        if is_source:
            log_used_artifact(self._run, artifact, [*aliases])
        else:
            self._run.log_artifact(artifact, aliases=list(aliases))
        table.store.media.mark_logged(artifact)
        table.refer_to(artifact, path)
        if not is_source:
            _shrink(artifact)


def _shrink(artifact: wandb.Artifact) -> None:
    """Removes pictures from a logged artifact: wandb keeps the last hundred artifacts in memory."""
    entries = artifact.manifest.entries
    for path in [path for path in entries if path.startswith("media/")]:
        del entries[path]
