"""Of the checkpoints that were written, the system is told to keep only the last one in memory.

What it then does is its own affair, and no test's: it takes what it is told as advice.
"""

import os

import numpy as np
import pytest

from wk_checkpoint import WandbModelCheckpoint
from wk_checkpoint.storage.local import drop_page_cache
from wk_core.compat.keras.flavour import keras

pytestmark = pytest.mark.skipif(
    not hasattr(os, "posix_fadvise"), reason="this system takes no such advice"
)


@pytest.fixture
def advised(monkeypatch):
    """The files, by their inodes, that the system has been told to drop from memory."""
    inodes = []
    advise = os.posix_fadvise

    def watched(descriptor, offset, length, advice):
        advise(descriptor, offset, length, advice)
        if (offset, length, advice) == (0, 0, os.POSIX_FADV_DONTNEED):
            inodes.append(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(os, "posix_fadvise", watched)
    return inodes


@pytest.mark.backend_free
def test_all_files_of_a_directory_and_missing_files_passed_over(advised, tmp_path):
    files = [tmp_path / "checkpoint" / name for name in ("fingerprint", "variables/data")]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"content")
    drop_page_cache(tmp_path / "checkpoint")
    drop_page_cache(tmp_path / "missing")
    assert sorted(advised) == sorted(file.stat().st_ino for file in files)
    assert all(file.read_bytes() == b"content" for file in files)


@pytest.mark.parametrize("name", ["{epoch}.keras", "{epoch}.weights.h5", "{epoch}"])
def test_the_next_one_takes_the_memory_of_the_last(offline_run, advised, tmp_path, name):
    if name == "{epoch}" and keras.backend.backend() != "tensorflow":
        pytest.skip("a directory of TensorFlow's")
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(5)])
    model.compile("sgd", "mse")
    with offline_run():
        callback = WandbModelCheckpoint(str(tmp_path / name))
        model.fit(np.ones((2, 5)), np.ones((2, 5)), epochs=3, verbose=0, callbacks=[callback])

    dropped = []
    for epoch in ("1", "2", "3"):
        path = tmp_path / name.format(epoch=epoch)
        (weights,) = [path] if path.is_file() else path.glob("variables/*.data-*")
        dropped.append(weights.stat().st_ino in advised)
    assert dropped == [True, True, False]
