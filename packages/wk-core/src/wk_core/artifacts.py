"""Naming and logging artifacts, the same offline as online."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import wandb
from wandb._pydantic.base import JsonableModel
from wandb.sdk.artifacts._generated import ArtifactDigestAlgorithm
from wandb.sdk.artifacts.artifact_instance_cache import artifact_instance_cache_by_client_id
from wandb.sdk.lib.capped_dict import CappedDict

__all__ = ["check_name", "keep_known", "log_artifact", "log_without_asking"]

_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,128}")


def _prune(cache: CappedDict, max_size: int) -> None:
    for key in list(cache)[: max(0, len(cache) - max_size)]:
        cache.pop(key, None)


# wandb (0.31) keeps the last hundred artifacts of a process in dictionaries. When two threads make
# room in one of them at once, an entry is gone for the second, whose `wandb.Artifact(...)` raises
# KeyError. Checkpoints and tables are logged in threads, beside the user's own.
CappedDict._prune_dict = _prune  # type: ignore[method-assign, assignment]


def _without_descriptions(model: Any) -> None:
    model.model_config["use_attribute_docstrings"] = False
    for derived in model.__subclasses__():
        _without_descriptions(derived)


# When wandb (0.31) first asks the server something, it makes classes of what it may answer, and
# looks for descriptions in their source, which Python parses for that. Python 3.11 cannot do that
# in two threads at once (SystemError: AST constructor recursion depth mismatch), and tracebacks in
# TensorFlow's threads, which call Python for data, do it. Nobody reads the descriptions.
_without_descriptions(JsonableModel)


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
) -> wandb.Artifact:
    """Logs files and directories as a new version of an artifact of the run.

    W&B tells files apart by their XXH128 digests, which take a small part of the time of its older
    MD5; where the server or the artifact's earlier versions have MD5, wandb's own process makes
    that of them. `Artifact.verify` knows XXH128 since wandb 0.29.

    Args:
        run: The run that the artifact is an output of.
        name: The artifact's name, without version or alias.
        type: The artifact's type, as `"model"` or `"dataset"`.
        paths: Files, kept under their own names, and directories, whose contents are kept
            under their relative paths.
        aliases: Names that shall point to this version.
        metadata: Anything that JSON takes.
        copy: Whether wandb makes copies of the files for the upload. Defaults to True; without
            them the files must stay as they are until they are uploaded.

    Returns:
        The artifact. Online it can be waited for; offline it is kept beside the run, and
        `wandb sync` uploads it.

    Raises:
        FileNotFoundError: If one of the paths does not exist.
        ValueError: If W&B refuses the name.
    """
    artifact = wandb.Artifact(
        check_name(name, what="An artifact"), type=type, metadata=dict(metadata or {})
    )
    _tell_apart_by_xxh128(artifact)
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
    return run.log_artifact(artifact, aliases=list(aliases))


def _tell_apart_by_xxh128(artifact: wandb.Artifact) -> None:
    """Does what `wandb.Artifact(digest_algorithm="XXH128")` does, but for a warning each time."""
    artifact._digest_algorithm = ArtifactDigestAlgorithm.MANIFEST_XXH128
    artifact.manifest.digest_algorithm = ArtifactDigestAlgorithm.MANIFEST_XXH128


def log_without_asking(run: wandb.Run) -> None:
    """Has `run.log_artifact` return at once, whether the server answers or not.

    Before it hands an artifact over, wandb (0.31) makes sure that the server knows the key, and
    asks it for the type of the artifact's earlier versions. While the server is away, the first
    ends in an `AuthenticationError`, and the second takes 19 seconds, each time. The key has just
    been good for the run, and a wrong type is refused by the server itself.

    Args:
        run: The run, just begun.
    """
    if not run.disabled and not run.offline:
        api = run._public_api()  # wandb keeps it for the run's own calls
        api._expected_artifact_type = lambda **_: None  # type: ignore[method-assign]


def keep_known(artifact: wandb.Artifact) -> None:
    """Has wandb know an artifact of this process that others are about to refer to.

    It knows the last hundred only, and raises `TypeError` when a table refers to an older one.
    """
    artifact_instance_cache_by_client_id[artifact._client_id] = artifact
