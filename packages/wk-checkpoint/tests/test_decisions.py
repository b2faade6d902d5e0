"""The small decisions: when one is due, what is kept, what a state looks like as bytes."""

import copy
import datetime
import random

import numpy as np
import pytest
from wk_checkpoint.local_files import LocalFiles
from wk_checkpoint.step import CheckpointStep, placeholders

from wk_checkpoint import Retention, random_state
from wk_checkpoint.retention import SavedCheckpoint, select_expired
from wk_checkpoint.schedule import BatchInterval
from wk_checkpoint.state.serialization import decode, encode


@pytest.mark.parametrize(
    ("every", "batches", "due"),
    [
        (3, [[0, 1, 2, 3], [0, 1, 2, 3]], [2, 5]),
        (1, [[0, 1], [0]], [0, 1, 2]),
        (4, [[2, 5, 7], [2, 5, 7]], [5, 10, 15]),  # three batches an execution, the last one short
        (100, [[0, 1]], []),
    ],
)
def test_interval(every, batches, due):
    interval, seen, before = BatchInterval(every), [], 0
    for epoch in batches:
        interval.start_epoch()
        seen += [before + batch for batch in epoch if interval.is_due_after(batch)]
        before += epoch[-1] + 1
    assert seen == due


def test_names():
    assert CheckpointStep(2, None, 0).alias == "epoch_2"
    assert CheckpointStep(2, 9, 0).alias == "epoch_2_batch_9"
    logs = {"loss": 0.25}
    assert CheckpointStep(2, 9, 0, logs).fill("{epoch:03d}-{batch}-{loss:.1f}") == "003-10-0.2"
    assert placeholders("a{epoch:02d}{{x}}{loss:.2f}") == {"epoch", "loss"}
    with pytest.raises(KeyError, match="Known are: epoch, loss"):
        CheckpointStep(2, None, 0, logs).fill("{batch}")


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


def test_protected_is_kept():
    gone = select_expired(saved(0.0, 1.0, 2.0, 3.0, protected=(0,)), Retention(best=1, last=1))
    assert [one.key for one in gone] == ["v1", "v2"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"best": -1}, "`best` must be a whole number, 0 or more"),
        ({"last": 0}, "`last` must be a whole number, 1 or more"),
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


def test_state_as_bytes():
    state = {
        "none": None,
        "text": "ü",
        "numbers": [1, 2.5, True, float("inf")],
        "numpy": np.float32(0.1),
        "arrays": {"a": np.arange(6, dtype="uint32").reshape(2, 3), "b": np.zeros((0, 2))},
        "scalar": np.array(3.0),
        "tuple": (1, (2,)),
    }
    data = encode(state)
    assert data == encode(state)
    back = decode(data)
    assert back["numbers"] == state["numbers"]
    assert back["numpy"] == float(np.float32(0.1))
    assert (back["text"], back["none"], back["tuple"]) == ("ü", None, [1, [2]])
    for name in "ab":
        array = state["arrays"][name]
        assert back["arrays"][name].dtype == array.dtype
        assert np.array_equal(back["arrays"][name], array)
    assert back["scalar"].shape == ()
    with pytest.raises(TypeError):
        encode({"object": object()})


def test_half_precision_survives():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    array = np.array([1.5, -2.0], dtype=ml_dtypes.bfloat16)
    back = decode(encode({"array": array}))["array"]
    assert back.dtype == array.dtype
    assert back.tobytes() == array.tobytes()


def test_random_numbers_come_back():
    state = decode(encode(random_state.capture()))
    drawn = [random.gauss(0, 1), random.random(), *np.random.random(5)]
    random_state.restore(state)
    assert [random.gauss(0, 1), random.random(), *np.random.random(5)] == drawn
