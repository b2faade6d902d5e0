"""Checkpoints on their way to W&B: kept as they are until they have been uploaded.

The path that the user named is overwritten by the next checkpoint, and W&B reads a file when it
uploads it. So each checkpoint gets a second name in the run's own directory, a hard link, which
takes no space of its own. Offline it stays there for `wandb sync`, and for `restore`.
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
from wk_checkpoint.storage.process_lock import claim, is_claimed, own_directory
from wk_core.run import after_finish

__all__ = ["Staged", "left_over", "stage", "staged"]

_FACTS: Final = "version.json"
_FILES: Final = "files"
_READING: Final = ".wk-reading"


@dataclass(frozen=True)
class Staged:
    """A checkpoint that is kept for W&B.

    Attributes:
        directory: Where everything of it lies.
        order: Larger for a later one.
        aliases: What it was called when it was logged.
        metadata: The artifact's metadata.
    """

    directory: Path
    order: int
    aliases: tuple[str, ...]
    metadata: Mapping[str, Any]

    @property
    def path(self) -> Path:
        """The checkpoint, a file or a directory, under the name that the user gave it."""
        return next((self.directory / _FILES).iterdir())

    @property
    def is_whole(self) -> bool:
        """Whether it is still there: the facts are the last to come and the first to go."""
        return (self.directory / _FACTS).exists()

    @contextlib.contextmanager
    def to_read(self) -> Iterator[Path]:
        """Gives the checkpoint for as long as the block lasts, whoever removes it meanwhile.

        Raises:
            FileNotFoundError: If it is gone already: the server has it.
        """
        with contextlib.ExitStack() as stack:
            place = self.directory.parent.parent
            try:
                directory = stack.enter_context(own_directory(place, _READING, _FILES))
            except OSError:  # nothing can be written there
                directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            files = list((self.directory / _FILES).iterdir())
            for file in files:
                _link_all(file, directory / file.name)
            if not files or not self.is_whole:
                raise FileNotFoundError(f"There is no checkpoint any more in {self.directory}.")
            yield directory / files[0].name

    @property
    def moment(self) -> str:
        """The alias that says when it was taken."""
        return next(alias for alias in self.aliases if alias.startswith("epoch_"))

    def remove(self) -> None:
        """Removes it; without its facts nobody takes it for whole."""
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
) -> Staged:
    """Keeps a finished checkpoint for W&B.

    Args:
        checkpoint: The file or directory; it is not changed any more.
        run: The run that it is logged to.
        artifact: The name of the artifact that it becomes a version of.
        name: Its own name within the artifact.
        aliases: What it is called.
        metadata: The artifact's metadata.
    """
    order = time.time_ns()  # no number comes twice: earlier ones are removed in another thread
    directory = _directory(run, artifact) / f"{order}-{_claimed(run)}"
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
    return Staged(directory, order, tuple(facts["aliases"]), metadata)


def staged(run: wandb.Run, artifact: str) -> Iterator[Staged]:
    """Yields what is kept here for a run's artifact, by this process or an earlier one."""
    for facts_file in sorted(_directory(run, artifact).glob(f"*/{_FACTS}")):
        try:
            facts = json.loads(facts_file.read_text())
        except FileNotFoundError:  # removed meanwhile: the server has it
            continue
        directory = facts_file.parent
        order = int(directory.name.partition("-")[0])
        yield Staged(directory, order, tuple(facts["aliases"]), facts["metadata"])


def left_over(run: wandb.Run, artifact: str) -> list[Staged]:
    """Returns what processes that are gone have kept for a run's artifact, oldest first.

    What they had begun to keep when they were killed is removed.
    """
    for directory in _directory(run, artifact).glob("*"):
        if not (directory / _FACTS).exists() and not _belongs_to_somebody(directory):
            remove(directory)
    return [one for one in staged(run, artifact) if not _belongs_to_somebody(one.directory)]


_claiming = threading.Lock()
_of_this_process: dict[Path, tuple[str, IO[str]]] = {}
"""By a run's directory: what this process is called there, and the file that it has claimed."""


def _claimed(run: wandb.Run) -> str:
    """Returns what this process is called in the names of what it keeps for a run."""
    directory = _directory_of(run)
    with _claiming:
        if directory not in _of_this_process:
            directory.mkdir(parents=True, exist_ok=True)
            name = uuid.uuid4().hex[:8]
            file = directory / _owner(name)
            _of_this_process[directory] = name, claim(file)
            after_finish(run, lambda: _release(directory, file))
        return _of_this_process[directory][0]


def _release(directory: Path, file: Path) -> None:
    """Leaves to the next process of the run what was not uploaded."""
    _, opened = _of_this_process.pop(directory, ("", None))
    if opened is not None:
        opened.close()
    file.unlink(missing_ok=True)


def _belongs_to_somebody(directory: Path) -> bool:
    """Tells whether a process that lives keeps a directory, and may still be filling it."""
    return is_claimed(directory.parent.parent / _owner(directory.name.partition("-")[2]))


def _owner(name: str) -> str:
    return f"owner-{name}"


_directories: "weakref.WeakKeyDictionary[wandb.Run, Path]" = weakref.WeakKeyDictionary()


def _directory_of(run: wandb.Run) -> Path:
    """Returns where everything is kept of a run, whatever becomes of the working directory."""
    if run not in _directories:
        _directories[run] = Path(run.settings.wandb_dir, "checkpoints", run.id).absolute()
    return _directories[run]


def _directory(run: wandb.Run, artifact: str) -> Path:
    return _directory_of(run) / artifact


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
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(source, target)
    return str(target)
