"""File systems on which nothing can be written any more."""

import contextlib
import ctypes
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Final

__all__ = ["full", "limited", "mount_small"]

_NEW_NAMESPACES: Final = 0x10000000 | 0x00020000  # CLONE_NEWUSER | CLONE_NEWNS
_LEFT: Final = 1 << 20  # bytes that can still be written: a part of a checkpoint


def mount_small(directory: Path) -> None:
    """Mounts a file system of 64 MB, in memory, that this process alone sees.

    Only for a process with one thread. It needs no rights, but some systems refuse it.

    Raises:
        OSError: If this one does.
    """
    user, group = os.getuid(), os.getgid()
    system = ctypes.CDLL(None, use_errno=True)
    _check(system.unshare(_NEW_NAMESPACES))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    _check(system.mount(b"small", os.fsencode(directory), b"tmpfs", 0, b"size=64m"))


@contextlib.contextmanager
def full(directory: Path) -> Iterator[None]:
    """Fills the file system of a directory, all but 1 MB, until the block ends."""
    filler = directory / "filler"
    space = os.statvfs(directory)
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, space.f_bavail * space.f_frsize - _LEFT)
    try:
        yield
    finally:
        filler.unlink()


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """Lets no file grow beyond 1 MB, until the block ends."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LEFT, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _check(status: int) -> None:
    if status != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
