"""Which version of an artifact is the best so far, whichever callback or process has logged it."""

import threading
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

import wandb
from wandb.sdk.lib.service.service_connection import WandbApiFailedError

from wk_checkpoint.artifacts.server import has_server, uploaded_version
from wk_checkpoint.artifacts.staging import staged
from wk_checkpoint.monitor import Judgement

__all__ = ["BestVersion", "best_version_of"]


class BestVersion:
    """Keeps the best score of an artifact's versions, for each metric and direction."""

    def __init__(self) -> None:
        self._scores: dict[tuple[str, str], float] = {}
        self._was_looked_up = False
        self._lock = threading.Lock()

    def look_up(self, run: wandb.Run, artifact: str, *, is_shared: bool) -> None:
        """Finds out, once, what earlier processes of the run have logged.

        Args:
            run: The run that logs the versions.
            artifact: The artifact's name.
            is_shared: Whether other runs may log versions of the artifact, too: theirs count.
        """
        with self._lock:
            if self._was_looked_up:
                return
            self._was_looked_up = True
            for metadata in _earlier(run, artifact, ask=run.resumed or is_shared):
                score, mode = metadata.get("score"), metadata.get("mode")
                if score is not None and mode is not None:
                    self._keep((metadata.get("monitor", ""), mode), float(score))

    def improves(self, monitor: str, judgement: Judgement) -> bool:
        """Tells whether a model is better than every version before it, and notes it if so."""
        if judgement.score is None or judgement.mode is None:
            return False
        with self._lock:
            return self._keep((monitor, judgement.mode), judgement.score)

    def _keep(self, measure: tuple[str, str], score: float) -> bool:
        before = self._scores.get(measure)
        if before is not None and score <= before:
            return False
        self._scores[measure] = score
        return True


def best_version_of(run: wandb.Run, artifact: str) -> BestVersion:
    """Returns the one that all callbacks share which log an artifact to `run`."""
    return _known.setdefault(run, {}).setdefault(artifact, BestVersion())


_known: "weakref.WeakKeyDictionary[wandb.Run, dict[str, BestVersion]]" = weakref.WeakKeyDictionary()


def _earlier(run: wandb.Run, artifact: str, *, ask: bool) -> Iterator[Mapping[str, Any]]:
    """Yields the metadata of versions that are, or were, the best."""
    for kept in staged(run, artifact):
        if "best" in kept.aliases:
            yield kept.metadata
    if not ask or not has_server(run):
        return
    try:
        version = uploaded_version(run, f"{artifact}:best")
    except (wandb.Error, WandbApiFailedError) as error:
        wandb.termwarn(
            f"WandbModelCheckpoint: the server does not tell which version of {artifact!r} is "
            f"the best so far, so `best` starts afresh: {error}"
        )
    else:
        if version is not None:
            yield version.metadata
