import os
import zipfile

import h5py
import numpy as np
import pytest

from wk_checkpoint.formats.zip_entry import ArchiveFile, entry_in_place

pytestmark = pytest.mark.backend_free


def test_hdf5_stands_in_the_archive_as_it_was_written(tmp_path):
    path = tmp_path / "archive.zip"
    path.write_bytes(b"longer than what is to come" * 100_000)
    arrays = [np.random.default_rng(seed).random((300, 700)) for seed in range(3)]
    with ArchiveFile(path) as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr("before", "first")
        with entry_in_place(archive, file, "arrays.h5") as entry, h5py.File(entry, "w") as target:
            for number, array in enumerate(arrays):
                target[f"group/{number}"] = array
        archive.writestr("after", "last")
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["before", "arrays.h5", "after"]
        assert archive.read("before") == b"first"
        assert archive.read("after") == b"last"
        archive.extract("arrays.h5", tmp_path)
    with h5py.File(tmp_path / "arrays.h5") as source:
        for number, array in enumerate(arrays):
            np.testing.assert_array_equal(source[f"group/{number}"][()], array)


def test_any_position_can_be_written_and_read(tmp_path):
    path = tmp_path / "archive.zip"
    with (
        ArchiveFile(path) as file,
        zipfile.ZipFile(file, "w") as archive,
        entry_in_place(archive, file, "entry") as entry,
    ):
        entry.write(b"0123456789")
        assert entry.seek(-2, os.SEEK_END) == 8
        entry.write(b"ABCD")
        assert entry.seek(2) == entry.tell() == 2
        entry.write(b"xx")
        entry.seek(-1, os.SEEK_CUR)
        buffer = bytearray(4)
        assert entry.readinto(memoryview(buffer)) == 4
        assert bytes(buffer) == b"x456"
        entry.truncate(11)
        assert entry.size() == 11
    with zipfile.ZipFile(path) as archive:
        assert archive.read("entry") == b"01xx4567ABC"


def test_no_room_is_said_when_hdf5_is_done(tmp_path):
    # Any write to this device fails as on a full disk.
    with (
        zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive,
        ArchiveFile("/dev/full") as full,
    ):
        with (
            pytest.raises(OSError, match="No space left"),
            entry_in_place(archive, full, "arrays.h5") as entry,
            h5py.File(entry, "w") as target,
        ):
            target["array"] = np.zeros(100_000)
        assert entry.error is not None
