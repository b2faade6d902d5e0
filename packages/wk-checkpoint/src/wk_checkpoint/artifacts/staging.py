"""Checkpoints on their way to W&B, which stay unchanged until they are uploaded.

The next checkpoint overwrites the user's path, and W&B reads a file only when it uploads it. So
each checkpoint gets a second name in the run's own directory: a hard link, which takes no extra
space. Offline it stays there for `wandb sync` and for `restore`.
"""

import contextlib
import json
import os
import shutil
import tempfile
import threading
import time
import uuid
import weakref
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import wandb

from wk_checkpoint.storage.atomic import remove
from wk_checkpoint.storage.process_lock import acquire, is_locked, locked_directory
from wk_core.compat.wandb.run_hooks import after_finish

__all__ = ["StagedVersion", "orphaned_versions", "stage", "staged_versions"]

_FACTS: Final = "version.json"  # the last file to be created, and the first to be removed
_FILES: Final = "files"
_READING: Final = ".wk-reading"


@dataclass(frozen=True)
class StagedVersion:
    """A checkpoint that this machine keeps for W&B.

    Attributes:
        directory: Its directory.
        order: A number that is larger for a later version.
        aliases: The aliases with which it is logged.
        metadata: The metadata of its artifact.
    """

    directory: Path
    order: int
    aliases: tuple[str, ...]
    metadata: Mapping[str, Any]

    @property
    def path(self) -> Path:
        """The file or directory of the checkpoint, with the name that the user gave it."""
        return next((self.directory / _FILES).iterdir())

    @property
    def is_complete(self) -> bool:
        """Whether all of it still exists."""
        return (self.directory / _FACTS).exists()

    @contextlib.contextmanager
    def reading_copy(self) -> Iterator[Path]:
        """Yields a path of the checkpoint that stays, even if an upload ends and removes it.

        Raises:
            FileNotFoundError: If it was removed before, since the server has it.
        """
        with contextlib.ExitStack() as stack:
            parent = self.directory.parent.parent
            try:
                directory = stack.enter_context(locked_directory(parent, _READING, _FILES))
            except OSError:  # The directory is read-only.
                directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            files = list((self.directory / _FILES).iterdir())
            for file in files:
                _link_all(file, directory / file.name)
            if not files or not self.is_complete:
                raise FileNotFoundError(f"There is no checkpoint any more in {self.directory}.")
            yield directory / files[0].name

    @property
    def step(self) -> str:
        """The alias of its step, such as `"epoch_3"`."""
        return next(alias for alias in self.aliases if alias.startswith("epoch_"))

    def remove(self) -> None:
        """Removes it; the first file to go marks it as incomplete."""
        (self.directory / _FACTS).unlink(missing_ok=True)
        remove(self.directory)


def stage(
    checkpoint: Path,
    run: wandb.Run,
    artifact: str,
    *,
    name: str,
    aliases: Iterable[str],
    metadata: Mapping[str, Any],
) -> StagedVersion:
    """Links or copies a finished checkpoint into the run's directory.

    Args:
        checkpoint: The file or directory, which does not change any more.
        run: The run to log it to.
        artifact: The name of its artifact.
        name: The name of the file or directory within the artifact.
        aliases: The aliases of the version.
        metadata: The metadata of the version.
    """
    order = time.time_ns()  # unique, also after earlier versions are removed
    directory = _directory(run, artifact) / f"{order}-{_process_name(run)}"
    target = directory / _FILES / name
    facts = {"aliases": sorted(aliases), "metadata": metadata}
    try:
        target.parent.mkdir(parents=True)
        _link_all(checkpoint, target)
        draft = directory / "facts"
        draft.write_text(json.dumps(facts))
        draft.replace(directory / _FACTS)
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    return StagedVersion(directory, order, tuple(facts["aliases"]), metadata)


def staged_versions(run: wandb.Run, artifact: str) -> Iterator[StagedVersion]:
    """Yields the versions of a run's artifact that this machine keeps, whichever process did so."""
    for facts_file in sorted(_directory(run, artifact).glob(f"*/{_FACTS}")):
        try:
            facts = json.loads(facts_file.read_text())
        except FileNotFoundError:  # Another thread has removed it: it is uploaded.
            continue
        directory = facts_file.parent
        order = int(directory.name.partition("-")[0])
        yield StagedVersion(directory, order, tuple(facts["aliases"]), facts["metadata"])


def orphaned_versions(run: wandb.Run, artifact: str) -> list[StagedVersion]:
    """Returns the versions that ended processes have not uploaded, oldest first.

    Removes the versions that were incomplete when their process was killed.
    """
    for directory in _directory(run, artifact).glob("*"):
        if not (directory / _FACTS).exists() and not _is_in_use(directory):
            remove(directory)
    return [each for each in staged_versions(run, artifact) if not _is_in_use(each.directory)]


_locking = threading.Lock()
_locked_files: dict[Path, tuple[str, IO[str]]] = {}
"""By a run's directory: the name of this process in it, and the file that it has locked."""


def _process_name(run: wandb.Run) -> str:
    """Returns the name of this process in a run's directory, where it locks a file."""
    directory = _run_directory(run)
    with _locking:
        if directory not in _locked_files:
            directory.mkdir(parents=True, exist_ok=True)
            name = uuid.uuid4().hex[:8]
            file = directory / _lock_name(name)
            _locked_files[directory] = name, acquire(file)
            after_finish(run, lambda: _release(directory, file))
        return _locked_files[directory][0]


def _release(directory: Path, file: Path) -> None:
    """Unlocks the file: the run's next process uploads what this one has not."""
    _, opened = _locked_files.pop(directory, ("", None))
    if opened is not None:
        opened.close()
    file.unlink(missing_ok=True)


def _is_in_use(directory: Path) -> bool:
    """Returns whether the process that created a version's directory is alive."""
    return is_locked(directory.parent.parent / _lock_name(directory.name.partition("-")[2]))


def _lock_name(name: str) -> str:
    return f"owner-{name}"


_directories: "weakref.WeakKeyDictionary[wandb.Run, Path]" = weakref.WeakKeyDictionary()


def _run_directory(run: wandb.Run) -> Path:
    """Returns a run's directory of checkpoints, which no change of working directory affects."""
    if run not in _directories:
        _directories[run] = Path(run.settings.wandb_dir, "checkpoints", run.id).absolute()
    return _directories[run]


def _directory(run: wandb.Run, artifact: str) -> Path:
    return _run_directory(run) / artifact


def _link_all(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, copy_function=_link)
    else:
        _link(source, target)


def _link(source: str | Path, target: str | Path) -> str:
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:  # The target is on another file system, or on one without hard links.
        shutil.copyfile(source, target)
    return str(target)
