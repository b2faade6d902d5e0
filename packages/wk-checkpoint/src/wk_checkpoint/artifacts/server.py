"""Versions on the server: how they are found, fetched, and how requests fail."""

from collections.abc import Iterator
from pathlib import Path

import wandb

from wk_checkpoint.checkpoint import ARTIFACT_TYPE
from wk_core.compat.wandb.artifacts import request_status
from wk_core.run import api_for_run, is_silent

__all__ = [
    "download",
    "has_server",
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


def is_transient(error: BaseException) -> bool:
    """Returns whether a failed request may succeed later: the server was away, or busy."""
    status = request_status(error)
    return status is not None and (status in (0, 408, 429) or status >= 500)
