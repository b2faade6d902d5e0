"""The best version of an artifact so far, whichever callback or process logged it."""

import threading
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

import wandb

from wk_checkpoint.artifacts.server import has_server, uploaded_version
from wk_checkpoint.artifacts.staging import staged_versions
from wk_checkpoint.monitor import MonitorResult
from wk_core.compat.wandb.artifacts import is_request_error

__all__ = ["BestVersion", "best_version_of"]


class BestVersion:
    """The best score among an artifact's versions, for each metric and direction."""

    def __init__(self) -> None:
        self._scores: dict[tuple[str, str], float] = {}
        self._before: dict[tuple[str, str], float | None] = {}
        self._was_looked_up = False
        self._lock = threading.Lock()

    def look_up(self, run: wandb.Run, artifact: str, *, is_shared: bool) -> None:
        """Looks up the scores that earlier processes of the run have logged, once.

        Args:
            run: The run that logs the versions.
            artifact: The artifact's name.
            is_shared: Whether versions of other runs count, too.
        """
        with self._lock:
            if self._was_looked_up:
                return
            self._was_looked_up = True
            for metadata in _earlier(run, artifact, ask=run.resumed or is_shared):
                score, mode = metadata.get("score"), metadata.get("mode")
                if score is not None and mode is not None:
                    self._keep((metadata.get("monitor", ""), mode), float(score))

    def improves(self, monitor: str, monitored: MonitorResult) -> bool:
        """Returns whether a model is better than all versions; records its score if so."""
        if monitored.score is None or monitored.mode is None:
            return False
        with self._lock:
            return self._keep((monitor, monitored.mode), monitored.score)

    def withdraw(self, monitor: str, monitored: MonitorResult) -> None:
        """Takes back that a model is the best, unless a better one has come since."""
        measure = (monitor, monitored.mode or "")
        with self._lock:
            if measure in self._scores and self._scores[measure] == monitored.score:
                before = self._before.pop(measure, None)
                if before is None:
                    del self._scores[measure]
                else:
                    self._scores[measure] = before

    def _keep(self, measure: tuple[str, str], score: float) -> bool:
        before = self._scores.get(measure)
        if before is not None and score <= before:
            return False
        self._scores[measure], self._before[measure] = score, before
        return True


def best_version_of(run: wandb.Run, artifact: str) -> BestVersion:
    """Returns the object that all callbacks share that log the same artifact to `run`."""
    return _known.setdefault(run, {}).setdefault(artifact, BestVersion())


_known: "weakref.WeakKeyDictionary[wandb.Run, dict[str, BestVersion]]" = weakref.WeakKeyDictionary()


def _earlier(run: wandb.Run, artifact: str, *, ask: bool) -> Iterator[Mapping[str, Any]]:
    """Yields the metadata of versions that are or were the best."""
    for staged in staged_versions(run, artifact):
        if "best" in staged.aliases:
            yield staged.metadata
    if not ask or not has_server(run):
        return
    try:
        version = uploaded_version(run, f"{artifact}:best")
    except Exception as error:
        if not is_request_error(error):
            raise
        wandb.termwarn(
            f"WandbModelCheckpoint: the server does not tell which version of {artifact!r} is "
            f"the best so far, so `best` starts afresh: {error}"
        )
    else:
        if version is not None:
            yield version.metadata
