"""Whatever a script does, in whatever order: numbers, aliases and files are true."""

import hashlib
import json
import os
import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from models.sequences import Compile, Fit, Mishap, Simple, script_in
from wk_core.compat.keras.flavour import backend
from wk_testing.wandb_file import read_run

pytestmark = pytest.mark.slow
if backend() == "torch":
    pytest.skip("two backends are enough for what is the same on each", allow_module_level=True)

EXAMPLES = int(os.environ.get("WK_SEQUENCES", "8"))
"""How many sequences are tried."""

# Keras' trainer on JAX hands on from epoch to epoch what it trains: it takes no other optimizer.
AT_EPOCHS = [] if backend() == "jax" else ["compile", "freeze"]


def mishaps(what, *hooks):
    return st.builds(
        Mishap, st.sampled_from(what), st.sampled_from(hooks), st.integers(0, 1), st.booleans()
    )


MISHAPS = st.one_of(
    mishaps(
        ["raise"],
        "on_train_begin",
        "on_epoch_begin",
        "on_train_batch_begin",
        "on_train_batch_end",
        "on_epoch_end",
        "on_train_end",
    ),
    mishaps([*AT_EPOCHS, "set_weights"], "on_epoch_begin"),
    mishaps(["evaluate"], "on_epoch_end"),
    mishaps(["chdir"], "on_epoch_begin", "on_train_batch_begin", "on_train_batch_end"),
    st.builds(Mishap, st.just("finish"), st.just("on_train_end"), st.just(0), st.booleans()),
)
FITS = st.builds(Fit, st.integers(1, 3), st.none() | MISHAPS, st.just(True))
DEEDS = st.one_of(
    FITS,
    FITS,
    st.builds(Fit, st.just(1), st.none(), st.just(False)),
    st.builds(Compile, st.sampled_from([0.02, 0.05])),
    st.builds(
        Simple,
        st.sampled_from(
            [
                "evaluate",
                "watched_evaluate",
                "predict",
                "freeze",
                "set_weights",
                "chdir",
                "new_callbacks",
                "new_run",
            ]
        ),
    ),
)


@settings(
    max_examples=EXAMPLES,
    derandomize="WK_SEQUENCES" not in os.environ,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # to make a failing one smaller takes minutes
    suppress_health_check=list(HealthCheck),
)
@given(st.lists(DEEDS, min_size=2, max_size=6), st.sampled_from(["epoch", 2]))
def test_whatever_a_script_does(deeds, save_freq):
    with tempfile.TemporaryDirectory() as directory:
        finished = {}
        with script_in(Path(directory), save_freq) as script:
            for deed in deeds:
                script.do(deed)
                for run, _ in script.runs[:-1]:
                    finished.setdefault(run.id, contents(run))
        for run, expected in script.runs:
            written = read_run(Path(run.settings.sync_dir))
            check_rows(written, expected)
            check_versions(written, expected, save_freq)
            assert finished.get(run.id, contents(run)) == contents(run)
        check_files(Path(directory), [expected for _, expected in script.runs], save_freq)


def contents(run):
    """Everything that belongs to a finished run, but the log of wandb's own process."""
    directory = Path(run.settings.sync_dir)
    found = {path for path in directory.rglob("*") if path.is_file()}
    files = {path for path in found if path.name != "debug-core.log"}
    for artifact in read_run(directory).artifacts:
        files |= {Path(entry.local_path) for entry in artifact.manifest.contents}
    return {path: hashlib.md5(path.read_bytes()).hexdigest() for path in files}


def check_rows(written, expected):
    epochs = written.rows("epoch/epoch")
    assert [row["epoch/epoch"] for row in epochs] == list(range(len(expected.epochs)))
    for row, seen in zip(epochs, expected.epochs, strict=True):
        assert {name: row[f"epoch/{name}"] for name in seen.logs} == seen.logs
        # The batch says its number itself.
        assert row["epoch/learning_rate"] == pytest.approx(expected.rates[int(seen.logs["seen"])])

    batches = written.rows("batch/batch_step")
    assert len(batches) == len(expected.batches)
    for row, (number, seen) in zip(batches, expected.batches.items(), strict=True):
        start, first = expected.first
        assert row["batch/batch_step"] == start + number - first
        assert row["batch/seen"] == number
        assert row["batch/loss"] == pytest.approx(seen.logs["loss"], rel=1e-6)
        assert row["batch/learning_rate"] == pytest.approx(expected.rates[number])
    assert written.column("test/loss") == pytest.approx(expected.tests)


def check_versions(written, expected, save_freq):
    best, best_version, epochs = np.inf, None, []
    for version in written.artifacts:
        metadata, aliases = json.loads(version.metadata), set(version.aliases)
        epoch, batch = metadata["epoch"], metadata["batch"]
        own = f"epoch_{epoch}" if batch is None else f"epoch_{epoch}_batch_{batch}"
        assert aliases - {"best"} == {"latest", own}
        if batch is None:
            epochs.append(epoch)
            seen = expected.epochs[epoch]
        else:
            tries = expected.places[epoch, batch]
            seen = min(tries, key=lambda seen: abs(seen.logs["loss"] - metadata["metrics"]["loss"]))
        assert metadata["metrics"] == pytest.approx(seen.logs, rel=1e-6)
        (entry,) = version.manifest.contents
        assert_holds(entry.local_path, seen)
        assert ("best" in aliases) == (seen.logs["loss"] < best)
        if "best" in aliases:
            best, best_version = seen.logs["loss"], version
    assert (best_version is None) == (not written.artifacts)
    if save_freq == "epoch":
        assert set(expected.complete) <= set(epochs)
        assert epochs == sorted(set(epochs))


def check_files(directory, expected, save_freq):
    """Keras' own files stand where they should, and wk's beside them."""
    for one in expected:
        for path, epoch in one.files.items():
            assert_holds(path, one.epochs[epoch])
            if save_freq == "epoch" and epoch in one.complete:
                name = path.name.split("-")[-1]
                assert path.with_name(f"wk-{name}").is_file()
    assert not [path for path in directory.rglob("*") if "unfinished" in path.name]


def assert_holds(path, seen):
    weights = []
    with h5py.File(path) as file:
        for layer in ("dense", "dense_1"):
            group = file["layers"][layer]["vars"]
            weights += [group[name][()] for name in sorted(group)]
    assert len(weights) == len(seen.weights)
    for saved, weight in zip(weights, seen.weights, strict=True):
        np.testing.assert_array_equal(saved, weight)
