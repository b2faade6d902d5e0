"""Putting a finished file or directory in the place of another one, in a single step.

Whoever opens the path, at any instant, finds the old one or the new one, whole. The new one is
written beside it, on the same file system, under a name that starts with a dot.
"""

import contextlib
import ctypes
import hashlib
import os
import shutil
import sys
import threading
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from wk_checkpoint.storage.process_lock import own_directory

__all__ = ["beside", "check_entries", "check_replaceable", "digest", "remove", "swap_in"]

UNFINISHED: Final = ".wk-unfinished"
"""What the names of places begin with in which something is written beside its target."""

_LONGEST_NAME: Final = 255  # bytes, on the file systems of all systems
_AT_FDCWD: Final = -100 if sys.platform.startswith("linux") else -2
_EXCHANGE: Final = 2  # RENAME_EXCHANGE on Linux, RENAME_SWAP on macOS


_swapping = threading.Lock()


@contextlib.contextmanager
def beside(target: Path) -> Iterator[Path]:
    """Gives a new path beside `target` to write to, with the same name; removes what is left.

    What processes that were killed left unfinished there is removed, too. What others, or other
    threads of this one, are writing at the same time is not: the last one to finish wins.
    """
    # A directory, so that what a writer puts beside its draft is removed with it.
    with own_directory(target.absolute().parent, UNFINISHED, digest(target.name)) as unfinished:
        yield unfinished / target.name


def digest(name: str) -> str:
    """Returns a short text that stands for a name, which may be as long as a name can be."""
    return hashlib.blake2b(os.fsencode(name), digest_size=6).hexdigest()


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
        check_entries(str(target), _entries(target))


def check_entries(directory: str, names: Collection[str]) -> None:
    """Raises FileExistsError if a directory with these entries holds more than a checkpoint."""
    if names and not {"saved_model.pb", "checkpoint"} & set(names):
        raise FileExistsError(
            f"{directory!r} is a directory with other things than a checkpoint, which would be "
            f"lost: {', '.join(sorted(names)[:5])}. Name a new one."
        )


def _entries(directory: Path) -> list[str]:
    """Returns the names in a directory, which others may put a new one in the place of."""
    while True:
        listed = directory.stat()
        names = [entry.name for entry in directory.iterdir()]
        if os.path.samestat(listed, directory.stat()):
            return names  # else it may have been listed while it was removed


def swap_in(new: Path, target: Path) -> None:
    """Puts the finished `new` in the place of `target`, if there is one, which is removed.

    Files are replaced, directories exchanged, in one step of the file system. Where directories
    cannot be exchanged (Windows, some network file systems), the old one is moved away first: a
    process that is killed in between leaves it beside the target, under a name that starts with
    a dot.

    Raises:
        FileExistsError: If there is something else than a checkpoint at `target`.
    """
    _write_through(new)
    with _swapping:
        check_replaceable(target, directory=new.is_dir())
        if new.is_dir():
            _swap_in_directory(new, target)
        else:
            new.replace(target)
    _write_through(target.absolute().parent, only_this=True)


def remove(path: Path) -> None:
    """Removes a file or a directory with what is in it, if it is there; others may, too."""
    while os.path.lexists(path):
        with contextlib.suppress(FileNotFoundError):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
            return


def _swap_in_directory(new: Path, target: Path) -> None:
    if not target.exists():
        try:
            new.rename(target)
        except OSError:
            if not target.exists():
                raise  # else another process was faster
        else:
            return
    check_replaceable(target, directory=True)
    if not _exchange(new, target):
        aside = _aside(target)
        remove(aside)
        target.rename(aside)
        new.rename(target)
        remove(aside)


def _aside(target: Path) -> Path:
    """Returns where what is replaced lies meanwhile, if directories cannot be exchanged."""
    name = f".{target.name}.replaced"
    if len(os.fsencode(name)) > _LONGEST_NAME:
        name = f".{digest(target.name)}.replaced"
    return target.with_name(name)


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
