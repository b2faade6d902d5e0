"""Versions on their way to the server, and those on it that are given up."""

from collections.abc import Iterator
from typing import Any, Final

import wandb

from wk_checkpoint.checkpoint import OWN_ALIAS, SAVED_BY
from wk_checkpoint.retention import Retention, Saved, expired
from wk_checkpoint.staging import Staged
from wk_core.background import Background
from wk_core.run import after_finish

__all__ = ["Uploads"]

_CAPACITY: Final = 10_000  # of versions that the server does not have yet, a name and a path each


class Uploads:
    """Follows a run's versions to the server, in order, without holding up anything else.

    Once the server has a version, what was kept of it here is removed, and the versions are given
    up that the rule does not keep. When the run finishes, what has not arrived stays here.

    Args:
        run: The run, online.
        retention: Which versions are kept; None keeps all.
    """

    def __init__(self, run: wandb.Run, retention: Retention | None) -> None:
        self._retention = retention
        self._background = Background("wk_checkpoint.uploads", capacity=_CAPACITY)
        after_finish(run, self._close)

    def follow(self, version: wandb.Artifact, staged: Staged) -> None:
        """Follows a version that was logged.

        Raises:
            Exception: Why an earlier version was refused by the server.
        """
        self._background.submit(lambda: self._settle(version, staged))

    def _settle(self, version: wandb.Artifact, staged: Staged) -> None:
        version.wait()
        staged.remove()
        if self._retention is not None:
            _give_up(version, self._retention)

    def _close(self) -> None:
        error = self._background.close()
        if error is not None:
            wandb.termerror(f"WandbModelCheckpoint: not every version was uploaded: {error!r}")


def _give_up(newest: wandb.Artifact, rule: Retention) -> None:
    """Deletes the versions that a rule does not keep, or gives them the rule's time to live."""
    versions = {version.version: version for version in _saved_by_wk(newest)}
    for one in expired([_as_saved(version) for version in versions.values()], rule):
        version = versions[one.key]
        if rule.ttl is None:
            version.delete(delete_aliases=True)
        elif version.ttl != rule.ttl:
            version.ttl = rule.ttl
            version.save()


def _saved_by_wk(version: wandb.Artifact) -> Iterator[Any]:
    for sibling in version.collection.artifacts():
        if sibling.metadata.get("saved_by") == SAVED_BY:
            yield sibling


def _as_saved(version: Any) -> Saved:
    score = version.metadata.get("score")
    return Saved(
        key=version.version,
        order=int(version.version.removeprefix("v")),
        score=None if score is None else float(score),  # an infinite one is a text
        protected=any(not OWN_ALIAS.fullmatch(alias) for alias in version.aliases),
    )
