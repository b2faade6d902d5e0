"""Files and directories that belong to one process for as long as it lives.

The process locks a file, and the system releases the lock when the process ends, however it ends.
Process numbers would not do: they are used again, and other machines share the disk.
"""

import contextlib
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

if sys.platform != "win32":
    import fcntl

__all__ = ["acquire", "is_locked", "locked_directory"]

_OWNER: Final = ".owner"
_ABANDONED_AFTER: Final = 600  # seconds without a change, where a lock tells nothing


def acquire(file: Path) -> IO[str]:
    """Creates and locks a file, until the returned object is closed or the process ends."""
    if sys.platform == "win32":
        return _create(file)
    # It gets its name once it is locked: before that, other processes would find it unlocked.
    unnamed = file.with_name(f"{file.name}.new")
    opened = _create(unnamed)
    with contextlib.suppress(OSError):  # a file system without locks
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    unnamed.rename(file)
    return opened


def _create(file: Path) -> IO[str]:
    """Creates a file that names this machine, and returns it open."""
    opened = file.open("x")
    opened.write(platform.node())
    opened.flush()
    return opened


def is_locked(file: Path) -> bool:
    """Returns whether a living process, this one or another, has locked a file."""
    try:
        if sys.platform == "win32":
            file.unlink()  # Windows refuses this while the file is open.
            return False
        with file.open("r+") as opened:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except (BlockingIOError, PermissionError):
        return True
    except OSError:  # a file system without locks
        return file.read_text() != platform.node()
    return False


@contextlib.contextmanager
def locked_directory(parent: Path, kind: str, label: str) -> Iterator[Path]:
    """Yields a new directory that this process has locked, and removes it at the end.

    Directories of the same kind and label that ended processes left are removed first.

    Args:
        parent: The directory to create it in; it is created, too, if it is missing.
        kind: The beginning of its name.
        label: A part of its name that stands for its purpose.
    """
    parent.mkdir(parents=True, exist_ok=True)
    for other in parent.glob(f"{kind}-*-{label}-*"):
        if _is_abandoned(other):
            shutil.rmtree(other, ignore_errors=True)  # another process may be removing it, too
    directory = Path(tempfile.mkdtemp(prefix=f"{kind}-{os.getpid()}-{label}-", dir=parent))
    with contextlib.ExitStack() as stack:
        stack.callback(_remove, directory)
        stack.enter_context(acquire(directory / _OWNER))
        yield directory


def _remove(directory: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(directory)


def _is_abandoned(directory: Path) -> bool:
    """Returns whether the process that created a directory has ended."""
    owner = directory / _OWNER
    try:
        machine = owner.read_text()
    except FileNotFoundError:  # about to be locked, unless its process was killed before
        return _age(directory) > _ABANDONED_AFTER
    if is_locked(owner):
        return False
    # On some network file systems other machines do not see a lock.
    return machine == platform.node() or _age(directory) > _ABANDONED_AFTER


def _age(directory: Path) -> float:
    """Returns the seconds since the last change in a directory, which may vanish meanwhile."""
    written = [0.0]
    for folder, _, files in os.walk(directory):
        for path in [Path(folder), *(Path(folder, name) for name in files)]:
            with contextlib.suppress(FileNotFoundError):
                written.append(path.stat().st_mtime)
    return time.time() - max(written)
