"""The memory in which the system keeps the files that it has written and read."""

import contextlib
import os
from pathlib import Path

__all__ = ["uncache"]


def uncache(path: Path) -> None:
    """Lets the system take back the memory in which it keeps a file, or a directory's files.

    What is not on the disk yet stays. Nothing happens where the file is gone, or the system has no
    such call (macOS, Windows).
    """
    if not hasattr(os, "posix_fadvise"):
        return
    inside = (Path(folder, name) for folder, _, names in os.walk(path) for name in names)
    for file in inside if path.is_dir() else [path]:
        with contextlib.suppress(OSError), file.open("rb", buffering=0) as opened:
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
