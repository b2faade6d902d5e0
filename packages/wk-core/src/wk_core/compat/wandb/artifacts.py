"""Artifacts beside a training: in several threads, without waiting for the server."""

import contextlib
import functools
import threading
import weakref
from collections.abc import Iterator
from typing import Any, Final

import wandb

from wk_core.compat.entries import find, say_missing, stands_on
from wk_core.compat.wandb.run_hooks import after_finish

__all__ = [
    "is_request_error",
    "keep_known",
    "leave_out_descriptions",
    "log_without_asking",
    "new_artifact",
    "request_status",
    "undisturbed_cache",
    "withhold_latest",
]

_DIGEST: Final = "wandb.sdk.artifacts._generated.ArtifactDigestAlgorithm"
_KNOWN: Final = "wandb.sdk.artifacts.artifact_instance_cache.artifact_instance_cache_by_client_id"
_ANSWERS: Final = "wandb._pydantic.base.JsonableModel"
_REQUEST_ERROR: Final = "wandb.sdk.lib.service.service_connection.WandbApiFailedError"

_lock: Final = threading.Lock()
_makers = 0
_undescribed: "Final[weakref.WeakSet[wandb.Run]]" = weakref.WeakSet()
_withheld: "Final[weakref.WeakKeyDictionary[wandb.Run, set[int]]]" = weakref.WeakKeyDictionary()


@stands_on(
    _DIGEST,
    "artifact._digest_algorithm",
    why='`wandb.Artifact(digest_algorithm="XXH128")` is public, and warns each time',
    versions="wandb 0.29 to 0.31",
    without="files are told apart by their MD5, which takes ten times as long",
    report="not reported: for wandb, that warning once a process",
)
def new_artifact(name: str, kind: str, metadata: dict[str, Any]) -> wandb.Artifact:
    """Makes an artifact whose files are told apart by their XXH128 digests.

    Where the server or the artifact's earlier versions have MD5, wandb's own process makes that of
    them. `Artifact.verify` knows XXH128 since wandb 0.29.

    Args:
        name: The artifact's name, without version or alias.
        kind: Its type, as `"model"`.
        metadata: Anything that JSON takes.
    """
    with undisturbed_cache():
        artifact = wandb.Artifact(name, type=kind, metadata=metadata)
    algorithm = getattr(find(_DIGEST), "MANIFEST_XXH128", None)
    if algorithm is None or not hasattr(artifact, "_digest_algorithm"):
        say_missing(new_artifact)
    else:
        artifact._digest_algorithm = algorithm
        artifact.manifest.digest_algorithm = algorithm
    return artifact


@stands_on(
    _KNOWN,
    "artifact._client_id",
    why="wandb knows the last hundred artifacts of a process, and raises `TypeError` when a table "
    "refers to an older one",
    versions="wandb 0.23.1 to 0.31",
    without="a table that refers to an artifact of long ago raises wandb's error",
    report="not reported: for wandb, references by artifact instead of by its memory of them",
)
def keep_known(artifact: wandb.Artifact) -> None:
    """Makes wandb know an artifact of this process to which a table is about to refer."""
    known = find(_KNOWN)
    if known is None or not hasattr(artifact, "_client_id"):
        say_missing(keep_known)
        return
    with undisturbed_cache():
        known[artifact._client_id] = artifact


@stands_on(
    "run._public_api",
    "run._assert_can_log_artifact",
    "artifact._source_entity",
    why="before it takes an artifact, wandb asks the server for the type of earlier versions. "
    "While the server is away that takes 19 seconds, or ends in an `AuthenticationError`",
    versions="wandb 0.17 to 0.31",
    without="`run.log_artifact` waits for a server that is away",
    report="not reported: for wandb, `log_artifact` without a question to the server",
)
def log_without_asking(run: wandb.Run) -> None:
    """Makes `run.log_artifact` return at once, whether the server answers or not.

    The key has just been good for the run, and a wrong type is refused by the server itself. Of
    drafts of others' artifacts wandb still checks whether they may move here.

    Args:
        run: The run, just begun.
    """
    if run.disabled or run.offline:
        return
    leave_out_descriptions(run)
    check = getattr(run, "_assert_can_log_artifact", None)
    if check is None or not hasattr(run, "_public_api"):
        say_missing(log_without_asking)
        return
    run._public_api()  # asks the server about the key, which answers now; kept for the run's calls

    def check_source(artifact: wandb.Artifact) -> None:
        if getattr(artifact, "_source_entity", None) is not None:
            check(artifact)

    run._assert_can_log_artifact = check_source  # type: ignore[method-assign]


@stands_on(
    "run._prepare_artifact",
    why="wandb adds the alias `latest` to every version that it logs, and takes no word against it",
    versions="wandb 0.17 to 0.31",
    without="`latest` moves to a version that should not have it, and is put back once that "
    "version is uploaded",
    report="not reported: for wandb, `log_artifact` without `latest`",
)
@contextlib.contextmanager
def withhold_latest(run: wandb.Run, artifact: wandb.Artifact) -> Iterator[None]:
    """Leaves `latest` where it is if an artifact is logged in the block; others get it as ever."""
    prepare = getattr(run, "_prepare_artifact", None)
    if prepare is None:
        say_missing(withhold_latest)
        yield
        return
    with _lock:
        if run not in _withheld:
            _withheld[run] = set()
            run._prepare_artifact = functools.partial(_prepare, prepare, _withheld[run])  # type: ignore[method-assign]
        withheld = _withheld[run]
    withheld.add(id(artifact))
    try:
        yield
    finally:
        withheld.discard(id(artifact))


def _prepare(prepare: Any, withheld: set[int], *arguments: Any, **named: Any) -> Any:
    artifact, aliases = prepare(*arguments, **named)
    if id(artifact) in withheld:
        aliases = [alias for alias in aliases if alias != "latest"]
    return artifact, aliases


@stands_on(
    _ANSWERS,
    why="wandb makes classes of the server's answers when it first needs them, and looks for "
    "descriptions in their source, which Python parses for that. Python 3.11 cannot parse in two "
    "threads at once, and tracebacks in TensorFlow's threads parse, too",
    versions="wandb 0.22.3 to 0.31",
    without="on Python 3.11 a training may end in a SystemError while wandb asks the server",
    report="not reported: for wandb, classes without descriptions",
)
def leave_out_descriptions(run: wandb.Run) -> None:
    """Makes the classes of the server's answers without descriptions, until the run has finished.

    Args:
        run: The run; nothing is asked where it is offline or disabled.
    """
    if run.disabled or run.offline or run in _undescribed:
        return
    base = find(_ANSWERS)
    if base is None:
        say_missing(leave_out_descriptions)
        return
    with _lock:
        _undescribed.add(run)
        _set_descriptions(base, before=True, after=False)
    after_finish(run, lambda: _describe_again(base, run))


def _describe_again(base: Any, run: wandb.Run) -> None:
    with _lock:
        _undescribed.discard(run)
        if not _undescribed:
            _set_descriptions(base, before=False, after=True)


def _set_descriptions(model: Any, *, before: bool, after: bool) -> None:
    """Sets whether wandb looks for descriptions, in a class and in those derived from it."""
    if model.model_config.get("use_attribute_docstrings", not before) == before:
        model.model_config["use_attribute_docstrings"] = after
    for derived in model.__subclasses__():
        _set_descriptions(derived, before=before, after=after)


@stands_on(
    _REQUEST_ERROR,
    "failed_request.response",
    why="the error of a request to the server has no public class, and is no `wandb.Error`",
    versions="wandb 0.23.1 to 0.31",
    without="it is told from others by the response that it holds",
    report="not reported: for wandb, a public class for it",
)
def request_status(error: BaseException) -> int | None:
    """Returns the HTTP status of a failed request; 0 without an answer, None for other errors."""
    cause = error.exc if isinstance(error, wandb.errors.CommError) else error
    kind = find(_REQUEST_ERROR)
    if kind is None:
        say_missing(request_status)
    # Up to 0.27.0 wandb makes most requests with the package `requests`, whose errors these are.
    kinds = tuple(each for each in (kind, find("requests.RequestException")) if each is not None)
    if not (hasattr(cause, "response") if kind is None else isinstance(cause, kinds)):
        return None
    response = getattr(cause, "response", None)
    status = getattr(response, "http_status", None) or getattr(response, "status_code", None)
    return int(status or 0)


def is_request_error(error: BaseException) -> bool:
    """Returns whether an error is that of a request to the server, or another one of wandb's."""
    return isinstance(error, wandb.Error) or request_status(error) is not None


@contextlib.contextmanager
def undisturbed_cache() -> Iterator[None]:
    """Leaves it to others to make room in wandb's memory of its artifacts, until the block ends.

    When two threads make room at once, an entry is gone for the second, whose
    `wandb.Artifact(...)` raises KeyError. Checkpoints and tables are logged in threads, beside the
    user's own artifacts, so wk makes all of its own in such a block.
    """
    global _makers
    known = find(_KNOWN)
    if not hasattr(known, "_prune_dict"):
        yield
        return
    with _lock:
        _makers += 1
        known._prune_dict = functools.partial(_prune, known)
    try:
        yield
    finally:
        with _lock:
            _makers -= 1
            if _makers == 0:
                del known._prune_dict


def _prune(known: dict[str, Any], max_size: int) -> None:
    """Makes room where no other thread has: there are many more artifacts than wandb keeps."""
    if len(known) >= 2 * max_size:
        for key in list(known)[: len(known) - max_size]:
            known.pop(key, None)
