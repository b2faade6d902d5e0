"""Uploads of versions to the server, and the removal of expired versions from it."""

import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

import wandb

from wk_checkpoint.artifacts.server import is_transient
from wk_checkpoint.artifacts.staging import StagedVersion
from wk_checkpoint.checkpoint import OWN_ALIAS
from wk_checkpoint.errors import CheckpointError
from wk_checkpoint.retention import Retention, SavedCheckpoint, select_expired
from wk_core.compat.wandb.run_hooks import after_finish, finish_timed_out
from wk_core.task_queue import TaskQueue

__all__ = ["Uploads"]

_PAUSE: Final = 1.0  # seconds between two requests to a server that does not answer
_CAPACITY: Final = 10_000  # of versions that are not uploaded yet; each is a name and a path


class Uploads:
    """Follows a run's versions to the server, in order, in a thread of its own.

    Once a version is uploaded, its copy on this machine is removed, and so are the versions on the
    server that the rule does not keep. Versions that are not uploaded when the run finishes stay
    on this machine.

    Args:
        run: The run, online.
        retention: The rule; None keeps all versions.
    """

    def __init__(self, run: wandb.Run, retention: Retention | None) -> None:
        self._run = run
        self._retention = retention
        self._background = TaskQueue("wk_checkpoint.uploads", capacity=_CAPACITY)
        self._finished = threading.Event()
        after_finish(run, self._close)

    def follow(self, version: wandb.Artifact, staged: StagedVersion) -> None:
        """Follows a version that was logged.

        Raises:
            Exception: If an earlier version was refused, or could not be removed.
        """
        try:
            self._background.submit(lambda: self._complete(version, staged))
        except Exception:  # That of an earlier version: this one is followed nevertheless.
            self._background.submit(lambda: self._complete(version, staged))
            raise

    def _complete(self, version: wandb.Artifact, staged: StagedVersion) -> None:
        try:
            self._retry(version.wait)
        except Exception as error:
            raise CheckpointError(staged.step, staged.path, error, written=True) from error
        staged.remove()
        if "latest" not in staged.aliases:
            self._retry(lambda: _withdraw_latest(version))
        rule = self._retention
        if rule is not None:
            self._retry(lambda: _remove_expired(version, staged.metadata, rule))

    def _retry(self, request: Callable[[], Any]) -> None:
        """Repeats a request each second until the server answers or the run finishes."""
        while True:
            try:
                request()
            except Exception as error:
                if not is_transient(error) or self._finished.is_set():
                    raise
                self._finished.wait(_PAUSE)
            else:
                return

    def _close(self) -> None:
        self._finished.set()
        if finish_timed_out(self._run):
            # The server is away: each request would take wandb 19 seconds.
            self._background.abandon()
            wandb.termwarn("WandbModelCheckpoint: what was not uploaded in time is kept here.")
            return
        error = self._background.close()
        if error is not None:
            wandb.termerror(f"WandbModelCheckpoint: not every version was uploaded: {error}")


def _withdraw_latest(version: wandb.Artifact) -> None:
    """Puts `latest` back to the last finite version, where it went to this one nevertheless."""
    if "latest" not in version.aliases:
        return
    finite = (each for each in version.collection.artifacts() if _is_finite(each))
    newest = max(finite, key=_number, default=None)
    if newest is None:
        version.aliases.remove("latest")
        version.save()
    else:
        newest.aliases.append("latest")
        newest.save()


def _remove_expired(newest: wandb.Artifact, metadata: Mapping[str, Any], rule: Retention) -> None:
    """Deletes the versions that a rule does not keep, or sets the rule's time to live.

    Args:
        newest: The version that was uploaded last. Later ones are left for their own turn.
        metadata: The metadata with which it was logged. If an equal version of another run
            exists, the server keeps that one's metadata.
        rule: The rule.
    """
    siblings = (each for each in newest.collection.artifacts() if _is_sibling(each, metadata))
    uploaded = (each for each in siblings if _number(each) <= _number(newest))
    versions = {version.version: version for version in uploaded}
    for each in select_expired([_as_saved(version) for version in versions.values()], rule):
        version = versions[each.key]
        if rule.ttl is None:
            version.delete(delete_aliases=True)
        elif version.ttl != rule.ttl:
            version.ttl = rule.ttl
            version.save()


def _is_sibling(version: Any, metadata: Mapping[str, Any]) -> bool:
    """Returns whether a version comes from the run and the callback that the metadata name."""
    return all(version.metadata.get(key) == metadata[key] for key in ("run", "callback"))


def _as_saved(version: Any) -> SavedCheckpoint:
    score = version.metadata.get("score")
    return SavedCheckpoint(
        key=version.version,
        order=_number(version),
        score=None if score is None else float(score),  # An infinite one is a text.
        protected=any(not OWN_ALIAS.fullmatch(alias) for alias in version.aliases),
        is_finite=_is_finite(version),
    )


def _is_finite(version: Any) -> bool:
    return bool(version.metadata.get("is_finite", True))


def _number(version: Any) -> int:
    return int(version.version.removeprefix("v"))
