"""Putting a finished file or directory in the place of another one, in a single step.

Whoever opens the path, at any instant, finds the old one or the new one, whole. The new one is
written beside it, on the same file system, under a name that starts with a dot.
"""

import contextlib
import ctypes
import os
import shutil
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

__all__ = ["beside", "check_entries", "check_replaceable", "remove", "swap_in"]

_MARK: Final = ".wk-unfinished-"
_AT_FDCWD: Final = -100 if sys.platform.startswith("linux") else -2
_EXCHANGE: Final = 2  # RENAME_EXCHANGE on Linux, RENAME_SWAP on macOS


@contextlib.contextmanager
def beside(target: Path) -> Iterator[Path]:
    """Gives a new path beside `target` to write to, with the same ending; removes what is left.

    What earlier processes left unfinished there is removed, too: one process writes to a target.
    """
    directory = target.absolute().parent
    directory.mkdir(parents=True, exist_ok=True)
    for left in directory.glob(f"{_MARK}*"):
        if left.name.partition("--")[2] == target.name:
            remove(left)
    # A directory, so that what a writer puts beside its draft is removed with it.
    unfinished = directory / f"{_MARK}{os.getpid()}--{target.name}"
    unfinished.mkdir()
    try:
        yield unfinished / target.name
    finally:
        remove(unfinished)


def check_replaceable(target: Path, *, directory: bool) -> None:
    """Raises FileExistsError if there is something at `target` that is no such checkpoint.

    Args:
        target: Where a checkpoint shall go.
        directory: Whether it is a directory.
    """
    if not target.exists():
        return
    if target.is_dir() != directory:
        is_there, wanted = ("file", "directory") if directory else ("directory", "file")
        raise FileExistsError(f"{str(target)!r} is a {is_there}; the checkpoint is a {wanted}.")
    if directory:
        check_entries(str(target), [entry.name for entry in target.iterdir()])


def check_entries(directory: str, names: Collection[str]) -> None:
    """Raises FileExistsError if a directory with these entries holds more than a checkpoint."""
    if names and not {"saved_model.pb", "checkpoint"} & set(names):
        raise FileExistsError(
            f"{directory!r} is a directory with other things than a checkpoint, which would be "
            f"lost: {', '.join(sorted(names)[:5])}. Name a new one."
        )


def swap_in(new: Path, target: Path) -> None:
    """Puts the finished `new` in the place of `target`, if there is one, which is removed.

    Files are replaced, directories exchanged, in one step of the file system. Where directories
    cannot be exchanged (Windows, some network file systems), the old one is moved away first: a
    process that is killed in between leaves it beside the target, under a name that starts with
    a dot.

    Raises:
        FileExistsError: If there is something else than a checkpoint at `target`.
    """
    check_replaceable(target, directory=new.is_dir())
    _write_through(new)
    if not new.is_dir():
        new.replace(target)
    elif not target.exists():
        new.rename(target)
    elif not _exchange(new, target):
        aside = target.with_name(f".{target.name}.replaced")
        remove(aside)
        target.rename(aside)
        new.rename(target)
        remove(aside)
    _write_through(target.absolute().parent, only_this=True)


def remove(path: Path) -> None:
    """Removes a file or a directory with what is in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _exchange(one: Path, other: Path) -> bool:
    names = {"linux": "renameat2", "darwin": "renameatx_np"}
    rename = (
        getattr(ctypes.CDLL(None), names[sys.platform], None) if sys.platform in names else None
    )
    if rename is None:
        return False
    arguments = (_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _EXCHANGE)
    return int(rename(*arguments)) == 0


def _write_through(path: Path, *, only_this: bool = False) -> None:
    """Has the file system write to the disk what it may still hold in memory."""
    if os.name == "nt":
        return  # it opens no directories, and files only for writing
    inside = path.rglob("*") if path.is_dir() and not only_this else ()
    for entry in [*inside, path]:
        descriptor = os.open(entry, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
