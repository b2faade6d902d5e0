"""Of the checkpoints that were written, only the last one stays in memory."""

import os

import numpy as np
import pytest

from wk_checkpoint import WandbModelCheckpoint
from wk_checkpoint.storage.local import drop_page_cache
from wk_core.compat.keras.flavour import keras


def in_memory(path):
    """Tells whether the system has what is in the middle of a file in memory."""
    with path.open("rb", buffering=0) as file:
        try:
            os.preadv(file.fileno(), [bytearray(1)], path.stat().st_size // 2, os.RWF_NOWAIT)
        except BlockingIOError:
            return False
    return True


@pytest.fixture(autouse=True)
def _page_cache(tmp_path):
    """Skips the tests where the system does not say, or does as it likes."""
    file = tmp_path / "probe"
    file.write_bytes(bytes(1_000_000))
    os.sync()
    try:
        there = in_memory(file)
        drop_page_cache(file)
        if not there or in_memory(file):
            pytest.skip("this file system is not asked for its memory")
    except (AttributeError, OSError) as error:
        pytest.skip(f"this system does not tell what it has in memory: {error}")


@pytest.mark.backend_free
def test_directories_are_uncached_and_missing_files_passed_over(tmp_path):
    file = tmp_path / "checkpoint" / "variables" / "data"
    file.parent.mkdir(parents=True)
    file.write_bytes(bytes(1_000_000))
    os.sync()
    drop_page_cache(tmp_path / "checkpoint")
    drop_page_cache(tmp_path / "missing")
    assert not in_memory(file)
    assert file.read_bytes() == bytes(1_000_000)


@pytest.mark.parametrize("name", ["{epoch}.keras", "{epoch}.weights.h5", "{epoch}"])
def test_the_next_one_takes_the_memory_of_the_last(offline_run, tmp_path, name):
    if name == "{epoch}" and keras.backend.backend() != "tensorflow":
        pytest.skip("a directory of TensorFlow's")
    # The system takes it as advice, and keeps what it is busy with, now and then.
    assert [False, False, True] in (
        _kept_in_memory(offline_run, tmp_path / f"{attempt}" / name) for attempt in range(3)
    )


def _kept_in_memory(offline_run, filepath):
    """Returns for each of three checkpoints whether the system has it in memory afterwards."""
    model = keras.Sequential([keras.Input((500,)), keras.layers.Dense(500)])
    model.compile("sgd", "mse")
    with offline_run():
        callback = WandbModelCheckpoint(str(filepath))
        model.fit(np.ones((2, 500)), np.ones((2, 500)), epochs=3, verbose=0, callbacks=[callback])

    kept = []
    for epoch in ("1", "2", "3"):
        path = filepath.with_name(filepath.name.format(epoch=epoch))
        (weights,) = [path] if path.is_file() else path.glob("variables/*.data-*")
        kept.append(in_memory(weights))
    return kept
