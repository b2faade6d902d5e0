"""Each example trains with wk as without it, and everything about it is kept."""

import contextlib
import io
import json
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import wandb

from models.training import EPOCHS, RATE, differing, train, train_with_wk
from models.zoo import EXAMPLES
from wk_checkpoint import WandbModelCheckpoint, restore
from wk_core.compat.keras.flavour import keras

STATE = "wk_training_state.npz"
WEIGHTS = "model.weights.h5"
HERE = [pytest.param(one, id=name) for name, one in EXAMPLES.items() if one.runs_here]


@pytest.fixture(scope="module", params=HERE)
def example(request):
    return request.param


@pytest.fixture(scope="module")
def alone(example):
    """The training without wk."""
    return train(example, example.model())


@pytest.fixture(scope="module")
def watched(example, tmp_path_factory):
    """The training with all of wk."""
    return train_with_wk(example, tmp_path_factory.mktemp(example.name))


def assert_same(one, other, *, but=()):
    for kind in one:
        if kind not in but:
            assert differing(one[kind], other[kind]) == [], kind


def test_training_ends_as_without_wk(alone, watched):
    assert watched.history == alone.history
    assert_same(watched.end, alone.end)


def test_nothing_is_warned_of(alone, watched):
    assert set(watched.warned) <= set(alone.warned)


def test_rows_are_what_keras_reports(example, watched):
    run, history = watched.run, watched.history
    assert run.column("epoch/epoch") == list(range(EPOCHS))
    assert run.column("batch/batch_step") == list(range(len(watched.batches)))
    for name, values in history.items():
        assert run.column(f"epoch/{name}") == values
        assert [row[name] for row in run.rows("epoch") if name in row] == values
    for name in watched.batches[0]:
        expected = [logs[name] for logs in watched.batches if name in logs]
        assert run.column(f"batch/{name}") == pytest.approx(expected, rel=1e-6)
    monitor = example.monitor
    assert run.summary[f"best_{monitor}"] == min(history[monitor])


def test_rates_are_true(watched):
    run, steps = watched.run, len(watched.batches) // EPOCHS
    rows = run.rows("batch/batch_step")
    assert len(rows) == len(watched.rates) > 0
    for row, used in zip(rows, watched.rates, strict=True):
        logged = {key[6:]: value for key, value in row.items() if key.startswith(f"batch/{RATE}")}
        assert logged.keys() <= used.keys()
        for key, value in logged.items():
            assert any(value == pytest.approx(rate, rel=1e-5) for rate in used[key]), key
    for epoch, row in enumerate(run.rows("epoch/epoch")):
        used = {}
        for batch in watched.rates[epoch * steps : (epoch + 1) * steps]:
            used |= {key: rates[-1] for key, rates in batch.items()}
        logged = {key[6:]: value for key, value in row.items() if key.startswith(f"epoch/{RATE}")}
        assert logged == pytest.approx(used, rel=1e-5)


def test_checkpoints_are_logged(example, watched):
    kinds = {"weights": "weights.h5"} | ({} if example.no_archive else {"whole": "keras"})
    losses = watched.history[example.monitor]
    for artifact, ending in kinds.items():
        versions = [one for one in watched.run.artifacts if one.name == artifact]
        assert len(versions) == EPOCHS
        for epoch, version in enumerate(versions):
            best = losses[epoch] < min(losses[:epoch], default=np.inf)
            assert set(version.aliases) == {"latest", f"epoch_{epoch}", *(["best"] * best)}
            metadata = json.loads(version.metadata)
            assert metadata["epoch"] == epoch
            assert metadata["metrics"][example.monitor] == losses[epoch]
            (entry,) = version.manifest.contents
            written = watched.directory / f"wk-{epoch + 1}.{ending}"
            assert Path(entry.local_path).read_bytes() == written.read_bytes()


def datasets(file):
    """What an HDF5 file holds, without what wk adds."""
    found = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset) and not name.startswith("wk_"):
            found[name] = item[()]
        found[f"{name} attributes"] = sorted(item.attrs.items())

    with h5py.File(file, "r") as opened:
        opened.visititems(visit)
        found.pop(f"{STATE} attributes", None)
    return found


def members(path):
    """What an archive holds, without what wk adds and without numbers of objects in memory."""
    with zipfile.ZipFile(path) as archive:
        found = {
            name: archive.read(name) for name in archive.namelist() if not name.startswith("wk_")
        }
    found.pop("metadata.json")
    found["config.json"] = without_numbers(json.loads(found["config.json"]))
    found[WEIGHTS] = datasets(io.BytesIO(found[WEIGHTS]))
    return found


def without_numbers(tree):
    if isinstance(tree, dict):
        return {key: without_numbers(tree[key]) for key in tree if key != "shared_object_id"}
    return [without_numbers(each) for each in tree] if isinstance(tree, list) else tree


def assert_equal_datasets(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        if isinstance(value, list):
            assert repr(ours[name]) == repr(value), name
        else:
            assert differing([np.asarray(ours[name])], [np.asarray(value)]) == [], name


@pytest.mark.parametrize("epoch", range(1, EPOCHS + 1))
def test_files_are_those_of_keras(example, watched, epoch):
    ours, theirs = (watched.directory / f"{whose}-{epoch}" for whose in ("wk", "keras"))
    assert_equal_datasets(
        datasets(ours.with_name(f"{ours.name}.weights.h5")),
        datasets(theirs.with_name(f"{theirs.name}.weights.h5")),
    )
    if not example.no_archive:
        ours, theirs = (members(path.with_name(f"{path.name}.keras")) for path in (ours, theirs))
        assert_equal_datasets(ours.pop(WEIGHTS), theirs.pop(WEIGHTS))
        assert ours == theirs


def test_a_whole_model_that_keras_cannot_save(example, alone, tmp_path):
    """Training goes on without, or does not begin: the error comes before the first batch."""
    if not example.no_archive:
        pytest.skip("Keras saves it")
    model, batches = example.model(), []
    count = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: batches.append((batch, logs))
    )
    with contextlib.chdir(tmp_path), wandb.init(project="test", mode="offline", dir=tmp_path):
        callbacks = [count, WandbModelCheckpoint("whole.keras", example.monitor, mode="min")]
        try:
            trained = train(example, model, *callbacks)
        except (NotImplementedError, TypeError, ValueError):
            assert batches == []
        else:
            assert_same(trained.end, alone.end)


@pytest.mark.parametrize("ending", ["weights.h5", "keras"])
def test_a_restored_training_ends_as_one_that_went_on(example, alone, watched, ending):
    if ending == "keras" and example.no_archive:
        pytest.skip(example.no_archive)
    model, callbacks = example.model(), [keras.callbacks.Callback()]
    state = restore(model, watched.directory / f"wk-1.{ending}", callbacks=callbacks)
    assert state.initial_epoch == 1
    restored = train(example, model, *callbacks, initial_epoch=1)
    for name, values in alone.history.items():
        assert restored.history[name] == values[-len(restored.history[name]) :]
    assert_same(restored.end, alone.end)
