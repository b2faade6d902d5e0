"""What belongs to a process for as long as it lives, on a disk that others write to as well.

A process claims a file by a lock, which the system releases when the process is gone, however it
ended. So neither the number of a process, which comes again, nor its machine need be known.
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

__all__ = ["claim", "is_claimed", "own_directory"]

_OWNER: Final = ".owner"
_LONG: Final = 600  # seconds after which what another machine has left is taken for given up


def claim(file: Path) -> IO[str]:
    """Claims a new file for this process, until what is returned is closed, or the process ends."""
    if sys.platform == "win32":
        return _signed(file)
    # It gets its name when it is locked: whoever finds it in between would take it for free.
    unnamed = file.with_name(f"{file.name}.new")
    opened = _signed(unnamed)
    with contextlib.suppress(OSError):  # a file system without locks
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    unnamed.rename(file)
    return opened


def _signed(file: Path) -> IO[str]:
    """Makes a file that names this machine, and leaves it open."""
    opened = file.open("x")
    opened.write(platform.node())
    opened.flush()
    return opened


def is_claimed(file: Path) -> bool:
    """Tells whether a process that lives, this one or another, has claimed a file."""
    try:
        if sys.platform == "win32":
            file.unlink()  # which Windows refuses while the file is open
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
def own_directory(parent: Path, kind: str, label: str) -> Iterator[Path]:
    """Gives a new directory of this process's own, and removes it in the end.

    Those of the same kind and label which processes that are gone have left are removed first.

    Args:
        parent: Where it is made; it is made itself if it is not there.
        kind: What its name begins with.
        label: What it is for.
    """
    parent.mkdir(parents=True, exist_ok=True)
    for other in parent.glob(f"{kind}-*-{label}-*"):
        if _is_left(other):
            shutil.rmtree(other, ignore_errors=True)  # another process may be removing it, too
    directory = Path(tempfile.mkdtemp(prefix=f"{kind}-{os.getpid()}-{label}-", dir=parent))
    with contextlib.ExitStack() as stack:
        stack.callback(_remove, directory)
        stack.enter_context(claim(directory / _OWNER))
        yield directory


def _remove(directory: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(directory)


def _is_left(directory: Path) -> bool:
    """Tells whether the process is gone that has made a directory."""
    owner = directory / _OWNER
    try:
        machine = owner.read_text()
    except FileNotFoundError:  # about to be claimed, unless its process was killed before
        return _age(directory) > _LONG
    if is_claimed(owner):
        return False
    # On some network file systems a lock counts on its own machine only.
    return machine == platform.node() or _age(directory) > _LONG


def _age(directory: Path) -> float:
    """Returns the seconds since something was last written in a directory, which may vanish."""
    written = [0.0]
    for folder, _, files in os.walk(directory):
        for path in [Path(folder), *(Path(folder, name) for name in files)]:
            with contextlib.suppress(FileNotFoundError):
                written.append(path.stat().st_mtime)
    return time.time() - max(written)
