"""Versions on their way to the server, and those on it that are given up."""

import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

import wandb
from wandb.sdk.lib.service.service_connection import WandbApiFailedError

from wk_checkpoint.artifacts.staging import Staged
from wk_checkpoint.checkpoint import OWN_ALIAS
from wk_checkpoint.errors import CheckpointError
from wk_checkpoint.retention import Retention, Saved, expired
from wk_core.background import Background
from wk_core.run import after_finish, has_given_up

__all__ = ["Uploads"]

_PAUSE: Final = 1.0  # seconds between two questions to a server that does not answer
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
        self._run = run
        self._retention = retention
        self._background = Background("wk_checkpoint.uploads", capacity=_CAPACITY)
        self._finished = threading.Event()
        after_finish(run, self._close)

    def follow(self, version: wandb.Artifact, staged: Staged) -> None:
        """Follows a version that was logged.

        Raises:
            Exception: Why an earlier version was refused, or what went wrong with retention.
        """
        try:
            self._background.submit(lambda: self._settle(version, staged))
        except Exception:  # the earlier one's: this one is followed nevertheless
            self._background.submit(lambda: self._settle(version, staged))
            raise

    def _settle(self, version: wandb.Artifact, staged: Staged) -> None:
        try:
            self._patiently(version.wait)
        except Exception as error:
            raise CheckpointError(staged.moment, staged.path, error, written=True) from error
        staged.remove()
        rule = self._retention
        if rule is not None:
            self._patiently(lambda: _give_up(version, staged.metadata, rule))

    def _patiently(self, ask: Callable[[], Any]) -> None:
        """Asks the server something, once more each second until it answers or the run is over."""
        while True:
            try:
                ask()
            except (WandbApiFailedError, wandb.errors.CommError) as error:
                if not _is_passing(error) or self._finished.is_set():
                    raise
                self._finished.wait(_PAUSE)
            else:
                return

    def _close(self) -> None:
        self._finished.set()
        if has_given_up(self._run):
            # The server is away: each question to it would take the client 19 seconds.
            self._background.abandon()
            wandb.termwarn("WandbModelCheckpoint: what was not uploaded in time is kept here.")
            return
        error = self._background.close()
        if error is not None:
            wandb.termerror(f"WandbModelCheckpoint: not every version was uploaded: {error}")


def _is_passing(error: Exception) -> bool:
    """Whether a question may be answered later: the server was away, or busy."""
    cause = error.exc if isinstance(error, wandb.errors.CommError) else error
    if not isinstance(cause, WandbApiFailedError):
        return False
    status = None if cause.response is None else cause.response.http_status
    return not status or status in (408, 429) or status >= 500


def _give_up(newest: wandb.Artifact, its_metadata: Mapping[str, Any], rule: Retention) -> None:
    """Deletes the versions that a rule does not keep, or gives them the rule's time to live.

    Later ones than `newest` are still waited for, and left for when they have been.

    Args:
        newest: The version that has arrived.
        its_metadata: What was logged with it: an equal version of another run keeps its own.
        rule: The rule.
    """
    siblings = (one for one in newest.collection.artifacts() if _of_one_callback(one, its_metadata))
    arrived = (one for one in siblings if _number(one) <= _number(newest))
    versions = {version.version: version for version in arrived}
    for one in expired([_as_saved(version) for version in versions.values()], rule):
        version = versions[one.key]
        if rule.ttl is None:
            version.delete(delete_aliases=True)
        elif version.ttl != rule.ttl:
            version.ttl = rule.ttl
            version.save()


def _of_one_callback(version: Any, metadata: Mapping[str, Any]) -> bool:
    """Tells whether a version is by the callback, and of the run, that its metadata name."""
    return all(version.metadata.get(key) == metadata[key] for key in ("run", "callback"))


def _as_saved(version: Any) -> Saved:
    score = version.metadata.get("score")
    return Saved(
        key=version.version,
        order=_number(version),
        score=None if score is None else float(score),  # an infinite one is a text
        protected=any(not OWN_ALIAS.fullmatch(alias) for alias in version.aliases),
    )


def _number(version: Any) -> int:
    return int(version.version.removeprefix("v"))
