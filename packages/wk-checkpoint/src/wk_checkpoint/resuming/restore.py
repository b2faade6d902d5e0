"""Restoring a training from a checkpoint: a path, the run's own artifact, or any other one."""

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import wandb

from wk_checkpoint.artifacts.server import (
    download,
    has_server,
    uploaded_aliases,
    uploaded_version,
)
from wk_checkpoint.artifacts.staging import StagedVersion, staged_versions
from wk_checkpoint.checkpoint import OWN_ALIAS, artifact_name
from wk_checkpoint.saver import wait_for_savers
from wk_checkpoint.state import training_state
from wk_checkpoint.state.loading import load_checkpoint
from wk_checkpoint.state.training_state import TrainingState
from wk_checkpoint.storage.storage import is_remote, storage_at
from wk_core.run import is_silent, resolve_run

__all__ = ["load", "restore"]


def restore(
    model: Any,
    artifact: str | os.PathLike[str] | None = None,
    *,
    run: wandb.Run | None = None,
    callbacks: Iterable[Any] = (),
) -> TrainingState:
    """Restores a training from a checkpoint, so that it goes on as if never interrupted.

    Restores the model's weights, optimizer state and the seeds of its random layers; the random
    generators of Python, NumPy, Keras and PyTorch; and the state of callbacks: Keras'
    `EarlyStopping`, `ReduceLROnPlateau`, `ModelCheckpoint` and `SwapEMAWeights`,
    `WandbModelCheckpoint`, `WandbMetricsLogger`, and every callback with `get_training_state` and
    `set_training_state`. On the CPU the training ends bit for bit as an uninterrupted one, if its
    data can be positioned.

    Args:
        model: The model, compiled in the same way as the saved one.
        artifact: The checkpoint: an alias of the run's own artifact, such as `"best"`, `"latest"`
            or `"epoch_3"`; any artifact as `"entity/project/name:alias"`; or the path of a file
            or directory. Defaults to None: the run's latest, on this machine or the server.
        run: The run. Defaults to the active one; a path needs none.
        callbacks: The callbacks of the next `fit`. Warns if the checkpoint does not hold the state
            of one of them.

    Returns:
        Where the training stands. Pass `state.initial_epoch` to `model.fit`, or call `state.fit`,
        which also goes on within an epoch.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If wk did not write it, or the model differs from the saved one.
        wandb.Error: If a run is needed, and none is given or active.

    Example:
        ```python
        import keras
        import numpy as np
        import wandb
        from wk_checkpoint import WandbModelCheckpoint, restore

        x, y = np.random.rand(64, 4), np.random.rand(64, 1)


        def compiled():
            model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
            model.compile(optimizer="adam", loss="mse")
            return model


        with wandb.init(mode="offline"):
            callbacks = [WandbModelCheckpoint("model.keras", monitor="loss")]
            compiled().fit(x, y, epochs=2, verbose=0, callbacks=callbacks)

            model = compiled()
            state = restore(model, "latest", callbacks=callbacks)
            assert state.initial_epoch == 2
        ```
    """
    callbacks = list(callbacks)
    state, source = load(model, artifact, run)
    return training_state.restore(state, model, callbacks, source=source)


def load(
    model: Any, artifact: str | os.PathLike[str] | None, run: wandb.Run | None
) -> tuple[Mapping[str, Any], str]:
    """Loads a checkpoint into a model; the arguments are those of `restore`.

    Returns:
        The training state that the checkpoint holds, and its name, for messages.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If wk did not write it, or the model differs from the saved one.
        wandb.Error: If a run is needed, and none is given or active.
    """
    wait_for_savers()
    with _local_checkpoint(artifact, run) as path:
        source = f"Checkpoint {os.fspath(artifact or 'latest')!r}"
        return load_checkpoint(model, path, source), source


@contextlib.contextmanager
def _local_checkpoint(
    source: str | os.PathLike[str] | None, run: wandb.Run | None
) -> Iterator[Path]:
    """Yields the local path of a checkpoint, which a download occupies until the block ends.

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
            yield stack.enter_context(storage_at(os.fspath(source)).local_copy())
            return
        run = resolve_run("restore", run)
        yield _fetch(run, source or "latest", stack)


def _fetch(run: wandb.Run, name: str, stack: contextlib.ExitStack) -> Path:
    """Returns the local path of a version, which stays until the stack is closed."""
    while True:
        version = _any_version(run, name) if ":" in name else _own_version(run, name)
        if not isinstance(version, StagedVersion):
            return download(version, stack.enter_context(tempfile.TemporaryDirectory()))
        try:
            return stack.enter_context(version.reading_copy())
        except OSError:
            if version.is_complete:
                raise  # otherwise it was uploaded and removed meanwhile: ask the server


def _is_path(source: str) -> bool:
    return is_remote(source) or (not OWN_ALIAS.fullmatch(source) and Path(source).exists())


def _any_version(run: wandb.Run, name: str) -> StagedVersion | wandb.Artifact:
    """Returns a version of any artifact on the server, or of the offline run's own ones."""
    if not has_server(run) and not is_silent(run) and "/" not in name:
        artifact, _, alias = name.partition(":")
        staged = _last_staged(run, artifact, alias)
        if staged is not None:
            return staged
    if run.disabled and not is_silent(run) and name.count("/") < 2:
        raise FileNotFoundError(
            f"restore: the run is disabled, and belongs to no project that has {name!r}. Name a "
            "path, or the artifact as 'entity/project/name:alias'."
        )
    version = uploaded_version(run, name)
    if version is None:
        raise FileNotFoundError(f"restore: there is no artifact {name!r} of type 'model'.")
    return version


def _own_version(run: wandb.Run, alias: str) -> StagedVersion | wandb.Artifact:
    """Returns a version of the run's own artifact, the later of a staged and an uploaded one."""
    if is_silent(run):
        raise wandb.Error(
            "restore: this process of the training does not write, so it has no run whose "
            f"checkpoint {alias!r} could be restored. Name a path that all processes can read, or "
            "the artifact as 'entity/project/name:alias'."
        )
    staged = _last_staged(run, artifact_name(run), alias)
    uploaded = uploaded_version(run, f"{_own_artifact(run)}:{alias}") if has_server(run) else None
    if uploaded is None:
        if staged is None:
            raise FileNotFoundError(_describe_missing(run, alias))
        return staged
    if staged is None or staged.metadata["saved_at"] < uploaded.metadata.get("saved_at", 0.0):
        return uploaded
    return staged


def _last_staged(run: wandb.Run, artifact: str, alias: str) -> StagedVersion | None:
    """Returns a version that this machine keeps: of an offline run, or not uploaded so far."""
    named = [each for each in staged_versions(run, artifact) if alias in each.aliases]
    return max(named, key=lambda each: each.order, default=None)


def _own_artifact(run: wandb.Run) -> str:
    return f"{run.entity}/{run.project}/{artifact_name(run)}"


def _describe_missing(run: wandb.Run, alias: str) -> str:
    name = artifact_name(run)
    if run.disabled:
        return (
            f"restore: the run is disabled, and has no checkpoint {alias!r}. Only paths lead to "
            "checkpoints then."
        )
    staged = {alias for version in staged_versions(run, name) for alias in version.aliases}
    known = [f"This machine keeps {', '.join(sorted(staged)) or 'none'}."]
    if has_server(run):
        uploaded = set(uploaded_aliases(run, _own_artifact(run)))
        known.append(f"The server has {', '.join(sorted(uploaded)) or 'none'}.")
    return (
        f"restore: run {run.id!r} has no checkpoint {alias!r} (artifact {name!r}). "
        f"{' '.join(known)}"
    )
