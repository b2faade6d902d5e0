"""Checkpoints on their way to W&B: kept as they are until they have been uploaded.

The path that the user named is overwritten by the next checkpoint, and W&B reads a file when it
uploads it. So each checkpoint gets a second name in the run's own directory, a hard link, which
takes no space of its own. Offline it stays there for `wandb sync`, and for `restore`.
"""

import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import wandb

from wk_checkpoint.swap import remove

__all__ = ["Staged", "left_over", "stage", "staged"]

_FACTS: Final = "version.json"
_FILES: Final = "files"


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
    directory = _directory(run, artifact) / str(order)
    _of_this_process.add(directory)
    target = directory / _FILES / name
    target.parent.mkdir(parents=True)
    if checkpoint.is_dir():
        shutil.copytree(checkpoint, target, copy_function=_link)
    else:
        _link(checkpoint, target)
    facts = {"aliases": sorted(aliases), "metadata": metadata}
    (directory / _FACTS).write_text(json.dumps(facts))
    return Staged(directory, order, tuple(facts["aliases"]), metadata)


def staged(run: wandb.Run, artifact: str) -> Iterator[Staged]:
    """Yields what is kept here for a run's artifact, by this process or an earlier one."""
    for facts_file in sorted(_directory(run, artifact).glob(f"*/{_FACTS}")):
        try:
            facts = json.loads(facts_file.read_text())
        except FileNotFoundError:  # removed meanwhile: the server has it
            continue
        directory = facts_file.parent
        yield Staged(directory, int(directory.name), tuple(facts["aliases"]), facts["metadata"])


def left_over(run: wandb.Run, artifact: str) -> list[Staged]:
    """Returns what an earlier process kept for a run's artifact, oldest first.

    What it had begun to keep when it was killed is removed.
    """
    for directory in _directory(run, artifact).glob("*"):
        if directory not in _of_this_process and not (directory / _FACTS).exists():
            remove(directory)
    return [one for one in staged(run, artifact) if one.directory not in _of_this_process]


_of_this_process: set[Path] = set()


def _directory(run: wandb.Run, artifact: str) -> Path:
    return Path(run.settings.wandb_dir, "checkpoints", run.id, artifact)


def _link(source: str | Path, target: str | Path) -> str:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(source, target)
    return str(target)
