"""Where a checkpoint comes from: a path, this run's artifact, or any other one."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import wandb

from wk_checkpoint.artifacts.staging import Staged, staged
from wk_checkpoint.checkpoint import ARTIFACT_TYPE, OWN_ALIAS, artifact_name
from wk_checkpoint.storage.storage import is_remote, place_of
from wk_core.run import api_of, is_silent, resolve_run

__all__ = ["checkpoint_from", "has_server", "uploaded_version"]


@contextlib.contextmanager
def checkpoint_from(source: str | os.PathLike[str] | None, run: wandb.Run | None) -> Iterator[Path]:
    """Gives the local path of a checkpoint, for as long as the block lasts.

    Args:
        source: A path; an alias of the run's own artifact (None: `"latest"`); or the name of an
            artifact with its alias, `"[[entity/]project/]name:alias"`.
        run: The run. Defaults to the active one; a path needs none.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        wandb.Error: If a run is needed, and none is given or active.
    """
    with contextlib.ExitStack() as stack:
        if source is not None and (isinstance(source, os.PathLike) or _is_path(source)):
            yield stack.enter_context(place_of(os.fspath(source)).local_copy())
            return
        run = resolve_run("restore", run)
        yield _local_copy(run, source or "latest", stack)


def _local_copy(run: wandb.Run, name: str, stack: contextlib.ExitStack) -> Path:
    """Returns the path of a checkpoint that is there until the stack is closed."""
    while True:
        version = _named(run, name) if ":" in name else _own(run, name)
        if not isinstance(version, Staged):
            return _download(version, stack.enter_context(tempfile.TemporaryDirectory()))
        try:
            return stack.enter_context(version.to_read())
        except OSError:
            if version.is_whole:
                raise  # else the server has it meanwhile


def _is_path(source: str) -> bool:
    return is_remote(source) or (not OWN_ALIAS.fullmatch(source) and Path(source).exists())


def _named(run: wandb.Run, name: str) -> Staged | wandb.Artifact:
    """Returns any checkpoint on the server, or one of the offline run's other artifacts."""
    if not has_server(run) and not is_silent(run) and "/" not in name:
        artifact, _, alias = name.partition(":")
        kept = _staged(run, artifact, alias)
        if kept is not None:
            return kept
    if run.disabled and not is_silent(run) and name.count("/") < 2:
        raise FileNotFoundError(
            f"restore: the run is disabled, and belongs to no project that has {name!r}. Name a "
            "path, or the artifact as 'entity/project/name:alias'."
        )
    version = uploaded_version(run, name)
    if version is None:
        raise FileNotFoundError(f"restore: there is no artifact {name!r} of type 'model'.")
    return version


def _own(run: wandb.Run, alias: str) -> Staged | wandb.Artifact:
    """Returns a checkpoint of the run itself."""
    if is_silent(run):
        raise wandb.Error(
            "restore: this process of the training does not write, so it has no run whose "
            f"checkpoint {alias!r} could be restored. Name a path that all processes can read, or "
            "the artifact as 'entity/project/name:alias'."
        )
    kept, uploaded = _staged(run, artifact_name(run), alias), _uploaded(run, alias)
    if uploaded is None:
        if kept is None:
            raise FileNotFoundError(_missing(run, alias))
        return kept
    if kept is None or kept.metadata["saved_at"] < uploaded.metadata.get("saved_at", 0.0):
        return uploaded
    return kept


def _staged(run: wandb.Run, artifact: str, alias: str) -> Staged | None:
    """Returns what this machine keeps: all of an offline run, and what was never uploaded."""
    named = [one for one in staged(run, artifact) if alias in one.aliases]
    return max(named, key=lambda one: one.order, default=None)


def _uploaded(run: wandb.Run, alias: str) -> wandb.Artifact | None:
    if not has_server(run):
        return None
    return uploaded_version(run, f"{_collection(run)}:{alias}")


def has_server(run: wandb.Run) -> bool:
    """Tells whether there is a server that knows a run: an offline or a disabled one has none."""
    return not run.offline and not run.disabled


def uploaded_version(run: wandb.Run, name: str) -> wandb.Artifact | None:
    """Returns a version on the server, by the name of its artifact and an alias, if it is there.

    Raises:
        wandb.Error: If the run is offline.
        FileNotFoundError: If the run is disabled, and there is no key for a server.
    """
    if run.offline:
        raise wandb.Error(
            f"restore: artifact {name!r} is on a server, and run {run.id!r} is offline. Offline "
            "there are paths and the run's own checkpoints, by their aliases."
        )
    try:
        api = api_of(run)
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


def _collection(run: wandb.Run) -> str:
    return f"{run.entity}/{run.project}/{artifact_name(run)}"


def _missing(run: wandb.Run, alias: str) -> str:
    name = artifact_name(run)
    if run.disabled:
        return (
            f"restore: the run is disabled, and has no checkpoint {alias!r}. Only paths lead to "
            "checkpoints then."
        )
    here = {alias for one in staged(run, name) for alias in one.aliases}
    there_are = [f"This machine keeps {', '.join(sorted(here)) or 'none'}."]
    if has_server(run):
        there = set(_uploaded_aliases(run))
        there_are.append(f"The server has {', '.join(sorted(there)) or 'none'}.")
    return (
        f"restore: run {run.id!r} has no checkpoint {alias!r} (artifact {name!r}). "
        f"{' '.join(there_are)}"
    )


def _uploaded_aliases(run: wandb.Run) -> Iterator[str]:
    api = api_of(run)
    if api.artifact_collection_exists(_collection(run), ARTIFACT_TYPE):
        for version in api.artifacts(ARTIFACT_TYPE, _collection(run)):
            yield from version.aliases


def _download(version: wandb.Artifact, directory: str) -> Path:
    root = Path(version.download(root=directory, skip_cache=True))
    entries = list(root.iterdir())
    is_file = len(entries) == 1 and entries[0].is_file()
    return entries[0] if is_file else root
