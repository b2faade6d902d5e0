"""Which checkpoints are kept, and which files are removed."""

import copy
import datetime

import pytest

from wk_checkpoint import Retention
from wk_checkpoint.retention import LocalFiles, SavedCheckpoint, select_expired


def saved(*scores, protected=()):
    return [SavedCheckpoint(f"v{n}", n, score, n in protected) for n, score in enumerate(scores)]


@pytest.mark.parametrize(
    ("scores", "best", "last", "gone"),
    [
        ((1.0, 3.0, 2.0, 0.0), 1, 1, ["v0", "v2"]),
        ((1.0, 3.0, 2.0, 0.0), 2, 1, ["v0"]),
        ((1.0, 3.0, 2.0, 0.0), 0, 2, ["v0", "v1"]),
        ((2.0, 2.0, 2.0), 1, 1, ["v1"]),  # of equally good ones the first
        ((None, None, 1.0, None), 1, 1, ["v0", "v1"]),
        ((1.0,), 1, 1, []),
    ],
)
def test_what_is_given_up(scores, best, last, gone):
    rule = Retention(best=best, last=last)
    assert [one.key for one in select_expired(saved(*scores), rule)] == gone


def test_broken_ones_take_no_place_of_a_finite_one():
    rule = Retention(best=1, last=1)
    broken = [SavedCheckpoint(f"b{n}", 10 + n, 9.0, is_finite=False) for n in range(3)]
    assert [one.key for one in select_expired([*saved(3.0, 1.0, 2.0), *broken], rule)] == [
        "v1",
        "b0",
        "b1",
    ]


def test_protected_is_kept():
    gone = select_expired(saved(0.0, 1.0, 2.0, 3.0, protected=(0,)), Retention(best=1, last=1))
    assert [one.key for one in gone] == ["v1", "v2"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"best": -1}, "`best` must be a whole number of checkpoints, 0 or more"),
        ({"last": 0}, "`last` must be a whole number of checkpoints, 1 or more"),
        ({"last": 1.5}, "Received: last=1.5"),
        ({"ttl": datetime.timedelta()}, "`ttl` must be positive"),
    ],
)
def test_bad_retention(arguments, message):
    with pytest.raises(ValueError, match=message):
        Retention(**arguments)


def test_local_files_removes_only_what_it_was_told_of(tmp_path):
    paths = [tmp_path / f"{n}.keras" for n in range(4)]
    for path in paths:
        path.write_text("")
    foreign = tmp_path / "foreign.keras"
    foreign.write_text("")
    first = LocalFiles(Retention(best=1, last=1))
    for path, score in zip(paths[:2], (5.0, 1.0), strict=True):
        first.add(str(path), score)
    second = LocalFiles(Retention(best=1, last=1))
    second.restore(first.state())
    for path, score in zip(paths[2:], (2.0, 3.0), strict=True):
        second.add(str(path), score)
    assert sorted(tmp_path.iterdir()) == [paths[0], paths[3], foreign]


def test_what_somebody_else_has_put_there_stays(tmp_path):
    paths = [tmp_path / f"{n}.keras" for n in range(3)]
    files = LocalFiles(Retention(best=0, last=1))
    for number, path in enumerate(paths):
        path.write_text("ours")
        if number == 2:
            paths[1].write_text("of another training")
        files.add(str(path), None)
    assert sorted(tmp_path.iterdir()) == paths[1:]


def test_copy_owns_no_files(tmp_path):
    path = tmp_path / "1.keras"
    path.write_text("")
    files = LocalFiles(Retention(best=0, last=1))
    files.add(str(path), None)
    other = copy.deepcopy(files)
    assert other.owner != files.owner
    other.add(str(tmp_path / "2.keras"), None)
    assert path.exists()
