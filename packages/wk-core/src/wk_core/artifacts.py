"""Naming and logging artifacts, the same offline as online."""

import contextlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import wandb

from wk_core.compat.wandb.artifacts import (
    leave_out_descriptions,
    new_artifact,
    withhold_latest,
)

__all__ = ["check_name", "log_artifact"]

_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,128}")


def check_name(name: str, *, what: str) -> str:
    """Returns `name` if W&B takes it as the name of an artifact.

    Meant for constructors: wandb itself raises only when the artifact is made, hours later.

    Args:
        name: The name, without version or alias.
        what: What the name is of, for the error, as `"WandbModelCheckpoint: the artifact"`.

    Raises:
        ValueError: If the name is empty, too long, or has a character that W&B refuses.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{what} needs a name of 1 to 128 letters, digits, '_', '-' or '.'. Received: {name!r}"
        )
    return name


def log_artifact(
    run: wandb.Run,
    *,
    name: str,
    type: str,  # noqa: A002  W&B's own word for it
    paths: Iterable[Path],
    aliases: Iterable[str] = ("latest",),
    metadata: Mapping[str, Any] | None = None,
    copy: bool = True,
    move_latest: bool = True,
) -> wandb.Artifact:
    """Logs files and directories as a new version of an artifact of the run.

    W&B tells files apart by their XXH128 digests, which take a small part of the time of its older
    MD5.

    Args:
        run: The run that the artifact is an output of.
        name: The artifact's name, without version or alias.
        type: The artifact's type, as `"model"` or `"dataset"`.
        paths: Files, kept under their own names, and directories, whose contents are kept
            under their relative paths.
        aliases: Names that will point to this version.
        metadata: Anything that JSON takes.
        copy: Whether wandb makes copies of the files for the upload. Defaults to True; without
            them the files must stay as they are until they are uploaded.
        move_latest: Whether the alias `latest` moves to this version, as W&B wants it. Defaults to
            True.

    Returns:
        The artifact. Online it can be waited for; offline it is kept beside the run, and
        `wandb sync` uploads it.

    Raises:
        FileNotFoundError: If one of the paths does not exist.
        ValueError: If W&B refuses the name.
    """
    artifact = new_artifact(check_name(name, what="An artifact"), type, dict(metadata or {}))
    policy: Literal["mutable", "immutable"] = "mutable" if copy else "immutable"
    for path in paths:
        if path.is_dir():
            for file in sorted(file for file in path.rglob("*") if file.is_file()):
                name_inside = file.relative_to(path).as_posix()
                artifact.add_file(str(file), name_inside, skip_cache=True, policy=policy)
        elif path.is_file():
            artifact.add_file(str(path), skip_cache=True, policy=policy)
        else:
            raise FileNotFoundError(f"Nothing to log as artifact {name!r}: there is no {path}.")
    leave_out_descriptions(run)
    with contextlib.nullcontext() if move_latest else withhold_latest(run, artifact):
        return run.log_artifact(artifact, aliases=list(aliases))
