"""Which files there are, and what is in an archive, by name."""

import re
import zipfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import h5py

from documented_uses.facts.values import without_digests

_ARRAY: Final = re.compile(r"array_\d+\.npy")  # how many depends on the backend's random state


# What Keras 2 adds to a SavedModel and to a file of weights.
_OF_KERAS_2: Final = ("keras_metadata.pb", "metrics")


def disk_facts(directory: Path, *, leave_out: Iterable[str]) -> dict[str, Any]:
    """Returns the files below a directory and what each holds, by path.

    Args:
        directory: The directory.
        leave_out: Names of directories right below it that do not count.
    """
    ignored = [directory / name for name in leave_out]
    files = {}
    for path in sorted(directory.rglob("*")):
        if path.is_file() and not any(path.is_relative_to(each) for each in ignored):
            files[path.relative_to(directory).as_posix()] = path
    return named(files)


def named(files: dict[str, Path]) -> dict[str, Any]:
    """Returns what files hold, by name; how many there are for names that differ in digests."""
    counts = Counter(without_digests(name) for name in files)
    facts: dict[str, Any] = {name: count for name, count in counts.items() if "*" in name}
    for name, path in files.items():
        if name == without_digests(name) and not name.endswith(_OF_KERAS_2):
            facts[name] = _content(path)
    return dict(sorted(facts.items()))


def _content(path: Path) -> Any:
    """Returns the names in an archive and in the root of an HDF5 file, if it is one."""
    names: list[str] = []
    if h5py.is_hdf5(path):
        with h5py.File(path) as file:
            names += file
    if zipfile.is_zipfile(path):  # also an HDF5 file, behind which wk keeps the training's state
        with zipfile.ZipFile(path) as archive:
            names += archive.namelist()
    known = {_ARRAY.sub("array_*.npy", name) for name in names if name not in _OF_KERAS_2}
    return sorted(known) or "file"
