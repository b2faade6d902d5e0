"""Where the tables of a callback go: behind the training, in order, before the run finishes."""

from collections.abc import Callable, Iterable
from functools import partial

import wandb

from wk_core.artifacts import check_name
from wk_core.background import Background
from wk_core.row_log import RowLog
from wk_core.run import has_finished
from wk_eval.tables.image import Deferral
from wk_eval.tables.spooled_table import SpooledTable


class TableLogger(RowLog):
    """Logs the tables and the rows of one callback to its run, in a background thread.

    Args:
        run: The run. Where it is disabled, nothing is logged.
        name: The callback's class, for what is said of errors.

    Attributes:
        deferral: Has images made for a table while one is open; at the latest it ends at the close.
        last: What is done last, once, when all else has gone well.
    """

    def __init__(self, run: wandb.Run, name: str) -> None:
        super().__init__(run, name)
        self.deferral = Deferral()
        self.last: Callable[[], None] | None = None

    def table(
        self, columns: list[str], *, source: SpooledTable | None = None, mixed: bool = False
    ) -> SpooledTable:
        """Returns an empty table.

        Args:
            columns: The names of its columns.
            source: A table that was logged before, whose media this one refers to.
            mixed: Whether a column takes cells of any type.
        """
        return SpooledTable(columns, self._background, source=source, allow_mixed_types=mixed)

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
        """Logs a table that is done with then, as a new version of its artifact."""
        self._log(table, name, type, table_name, aliases=tuple(aliases), is_source=False)

    def _finish(self) -> BaseException | None:
        self.deferral.stop()
        error = super()._finish()
        last, self.last = self.last, None  # once, whoever closes: the training or the run's end
        if error is None and last is not None and not self._run.disabled:
            background = Background("wk_eval.last", capacity=1)
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
            self._background.submit(task)

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
        artifact = wandb.Artifact(name, type=type)
        path = table.store.add_to(artifact, table_name)
        if is_source:
            # What the public `use_artifact` does with a new artifact, but does not offline.
            self._run._log_artifact(
                artifact, aliases=list(aliases), is_user_created=True, use_after_commit=True
            )
        else:
            self._run.log_artifact(artifact, aliases=list(aliases))
        table.store.media.mark_logged(artifact)
        if table._artifact_target is None:
            table._set_artifact_target(artifact, path)
        if not is_source:
            _shrink(artifact)


def _shrink(artifact: wandb.Artifact) -> None:
    """Lets go of an artifact's pictures: wandb keeps the last hundred artifacts as they are."""
    entries = artifact.manifest.entries
    for path in [path for path in entries if path.startswith("media/")]:
        del entries[path]
