"""Replacing a file or directory with a finished one, in a single step of the file system.

At any instant the path holds the old content or the new one, complete. The new content is written
in the same parent directory, and so on the same file system, under a name that starts with a dot.
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

from wk_checkpoint.storage.process_lock import locked_directory

__all__ = [
    "UNFINISHED",
    "check_entries",
    "check_replaceable",
    "digest",
    "remove",
    "replace",
    "temporary_sibling",
]

UNFINISHED: Final = ".wk-unfinished"
"""The beginning of the names of temporary files and directories."""

_LONGEST_NAME: Final = 255  # bytes, on the file systems of all systems
_AT_FDCWD: Final = -100 if sys.platform.startswith("linux") else -2
_EXCHANGE: Final = 2  # RENAME_EXCHANGE on Linux, RENAME_SWAP on macOS

_replacing = threading.Lock()


@contextlib.contextmanager
def temporary_sibling(target: Path) -> Iterator[Path]:
    """Yields a new path of the same name in a temporary directory, which is removed at the end.

    The directory stands beside `target`. Those that killed processes left there are removed first;
    those of other threads and of living processes stay: the last writer to finish wins.
    """
    # A directory, so that whatever else a writer creates is removed with it.
    with locked_directory(target.absolute().parent, UNFINISHED, digest(target.name)) as unfinished:
        yield unfinished / target.name


def digest(name: str) -> str:
    """Returns 12 hexadecimal digits that stand for a name, which may be as long as names can be."""
    return hashlib.blake2b(os.fsencode(name), digest_size=6).hexdigest()


def check_replaceable(target: Path, *, directory: bool) -> None:
    """Raises FileExistsError if `target` exists and is no such checkpoint.

    Args:
        target: The path of the next checkpoint.
        directory: Whether that checkpoint is a directory.
    """
    if not target.exists():
        return
    if target.is_dir() != directory:
        is_there, wanted = ("file", "directory") if directory else ("directory", "file")
        raise FileExistsError(f"{str(target)!r} is a {is_there}; the checkpoint is a {wanted}.")
    if directory:
        check_entries(str(target), _entries(target))


def check_entries(directory: str, names: Collection[str]) -> None:
    """Raises FileExistsError if a directory with these entries is no checkpoint."""
    if names and not {"saved_model.pb", "checkpoint"} & set(names):
        raise FileExistsError(
            f"{directory!r} is a directory with other things than a checkpoint, which would be "
            f"lost: {', '.join(sorted(names)[:5])}. Name a new one."
        )


def _entries(directory: Path) -> list[str]:
    """Returns the names in a directory, which another process may replace meanwhile."""
    while True:
        listed = directory.stat()
        names = [entry.name for entry in directory.iterdir()]
        if os.path.samestat(listed, directory.stat()):
            return names  # otherwise it may have been listed while it was removed


def replace(new: Path, target: Path) -> None:
    """Moves the finished `new` to `target`, in place of what is there.

    The file system replaces files and exchanges directories in one step. If it cannot exchange
    directories (Windows, some network file systems), the old one is first renamed: a process that
    is killed in between leaves it beside the target, under a name that starts with a dot.

    Raises:
        FileExistsError: If `target` is something else than a checkpoint.
    """
    _flush_to_disk(new)
    with _replacing:
        check_replaceable(target, directory=new.is_dir())
        if new.is_dir():
            _replace_directory(new, target)
        else:
            new.replace(target)
    _flush_to_disk(target.absolute().parent, recursive=False)


def remove(path: Path) -> None:
    """Removes a file or a directory tree, if it exists; other processes may remove it as well."""
    while os.path.lexists(path):
        with contextlib.suppress(FileNotFoundError):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
            return


def _replace_directory(new: Path, target: Path) -> None:
    if not target.exists():
        try:
            new.rename(target)
        except OSError:
            if not target.exists():
                raise  # otherwise another process was faster
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
    """Returns the name of the old directory meanwhile, if directories cannot be exchanged."""
    name = f".{target.name}.replaced"
    if len(os.fsencode(name)) > _LONGEST_NAME:
        name = f".{digest(target.name)}.replaced"
    return target.with_name(name)


def _exchange(one: Path, other: Path) -> bool:
    """Exchanges two directories; returns False if the system or the file system cannot."""
    names = {"linux": "renameat2", "darwin": "renameatx_np"}
    rename = (
        getattr(ctypes.CDLL(None), names[sys.platform], None) if sys.platform in names else None
    )
    if rename is None:
        return False
    arguments = (_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _EXCHANGE)
    return int(rename(*arguments)) == 0


def _flush_to_disk(path: Path, *, recursive: bool = True) -> None:
    """Writes to the disk what the system still holds in memory of a file or a directory."""
    if os.name == "nt":
        return  # Windows opens no directories, and files only for writing.
    inside = path.rglob("*") if path.is_dir() and recursive else ()
    for entry in [*inside, path]:
        descriptor = os.open(entry, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
