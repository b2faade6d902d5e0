"""Versions on the server: how they are found, fetched, and how requests fail."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import wandb

from wk_checkpoint.checkpoint import ARTIFACT_TYPE
from wk_core.run import api_for_run, is_silent

__all__ = [
    "download",
    "has_server",
    "is_request_error",
    "is_transient",
    "uploaded_aliases",
    "uploaded_version",
]


def has_server(run: wandb.Run) -> bool:
    """Returns whether a run is on a server, that is, neither offline nor disabled."""
    return not run.offline and not run.disabled


def uploaded_version(run: wandb.Run, name: str) -> wandb.Artifact | None:
    """Returns a version by the name and alias of its artifact; None if the server has none.

    Raises:
        wandb.Error: If the run is offline.
        FileNotFoundError: If the run is disabled, and there is no API key for a server.
    """
    if run.offline:
        raise wandb.Error(
            f"restore: artifact {name!r} is on a server, and run {run.id!r} is offline. Offline "
            "there are paths and the run's own checkpoints, by their aliases."
        )
    try:
        api = api_for_run(run)
        if not api.artifact_exists(name, type=ARTIFACT_TYPE):
            return None
        version: wandb.Artifact = api.artifact(name, type=ARTIFACT_TYPE)
    except wandb.errors.UsageError as error:
        if not run.disabled or is_silent(run):
            raise
        raise FileNotFoundError(
            f"restore: artifact {name!r} is on a server, and the run is disabled. {error}"
        ) from error
    return version


def uploaded_aliases(run: wandb.Run, artifact: str) -> Iterator[str]:
    """Yields the aliases of an artifact's versions, `artifact` being `"entity/project/name"`."""
    api = api_for_run(run)
    if api.artifact_collection_exists(artifact, ARTIFACT_TYPE):
        for version in api.artifacts(ARTIFACT_TYPE, artifact):
            yield from version.aliases


def download(version: wandb.Artifact, directory: str) -> Path:
    """Downloads a checkpoint; returns the path of its file, or of the directory."""
    root = Path(version.download(root=directory, skip_cache=True))
    entries = list(root.iterdir())
    is_file = len(entries) == 1 and entries[0].is_file()
    return entries[0] if is_file else root


def is_request_error(error: BaseException) -> bool:
    """Returns whether an error is that of a request to the server, or another one of wandb's."""
    return isinstance(error, wandb.Error | _request_error())


def is_transient(error: BaseException) -> bool:
    """Returns whether a failed request may succeed later: the server was away, or busy."""
    cause = error.exc if isinstance(error, wandb.errors.CommError) else error
    if not isinstance(cause, _request_error()):
        return False
    status = None if cause.response is None else cause.response.http_status
    return not status or status in (408, 429) or status >= 500


def _request_error() -> Any:
    """Returns wandb's class for failed requests, which is private and no `wandb.Error`."""
    from wandb.sdk.lib.service.service_connection import WandbApiFailedError

    return WandbApiFailedError
