"""The example is killed, goes on in a new process, and ends as a training that never was killed."""

import numpy as np
import pytest

from examples.running import run_example
from wk_testing.wandb_file import read_run, read_unfinished_run

pytestmark = pytest.mark.slow

STEPS, EPOCHS = 44, 12
DIE_AFTER = 8 * STEPS + 30
SAVE_FREQ = 25


@pytest.fixture(scope="module")
def resume(tmp_path_factory):
    """Runs the example; returns what it printed and the directory that it ran in."""
    directory = tmp_path_factory.mktemp("resume")
    return run_example("resume.py", directory=directory).stdout, directory


@pytest.fixture(scope="module")
def runs(resume):
    """What the killed, the resumed and the uninterrupted training have logged."""
    _, directory = resume
    started = sorted((directory / "wandb").glob("offline-run-*"), key=lambda run: run.name[:27])
    killed, resumed, uninterrupted = started
    assert killed.name.endswith("-cut")
    assert killed.name.split("-", 3)[3] == resumed.name.split("-", 3)[3]  # one run
    return read_unfinished_run(killed), read_run(resumed), read_run(uninterrupted)


def test_it_says_what_it_did(resume):
    output, _ = resume
    assert f"Training 1 is killed after {DIE_AFTER} of {EPOCHS * STEPS} batches." in output
    assert "Trainings 2 and 3 ended with the same 14 tensors, bit for bit." in output


def test_both_ended_with_the_same_tensors(resume):
    _, directory = resume
    (cut,), (whole,) = ((directory / "resume").glob(f"*-{name}.npz") for name in ("cut", "whole"))
    ends = np.load(cut), np.load(whole)
    assert len(ends[0].files) == 14
    assert ends[0].files == ends[1].files
    for name in ends[0].files:
        assert ends[0][name].dtype == ends[1][name].dtype
        assert ends[0][name].tobytes() == ends[1][name].tobytes(), name


def test_the_first_training_was_killed(runs):
    killed, resumed, uninterrupted = runs
    assert killed.exit_code is None
    assert resumed.exit_code == uninterrupted.exit_code == 0


def test_the_killed_run_has_what_it_logged(runs):
    killed, _, uninterrupted = runs
    batches = killed.column("batch/batch_step")
    assert batches == list(range(len(batches)))
    # The client writes its file whenever another 32 KiB are full: the last ones may be missing.
    assert DIE_AFTER - 150 < len(batches) <= DIE_AFTER
    assert killed.column("batch/loss") == uninterrupted.column("batch/loss")[: len(batches)]
    epochs = killed.column("epoch/epoch")
    assert epochs == list(range(len(batches) // STEPS))
    assert killed.column("epoch/loss") == uninterrupted.column("epoch/loss")[: len(epochs)]


def test_the_resumed_run_goes_on_where_the_checkpoint_was_taken(runs):
    _, resumed, uninterrupted = runs
    batches = resumed.column("batch/batch_step")
    # The last checkpoint before the end may not have been written any more.
    assert DIE_AFTER - batches[0] < 3 * SAVE_FREQ
    assert batches[0] % SAVE_FREQ == 0
    assert batches == list(range(batches[0], EPOCHS * STEPS))
    assert resumed.column("batch/loss") == uninterrupted.column("batch/loss")[batches[0] :]
    epochs = resumed.column("epoch/epoch")
    assert epochs == list(range(batches[0] // STEPS, EPOCHS))
    for key in ("epoch/loss", "epoch/accuracy", "epoch/learning_rate"):
        assert resumed.column(key) == uninterrupted.column(key)[epochs[0] :]


def test_what_was_saved_after_the_kill_are_further_versions(runs):
    killed, resumed, uninterrupted = runs
    names = [artifact.name for run in (killed, resumed) for artifact in run.artifacts]
    assert len(set(names)) == 1

    def alias(artifact):
        (one,) = set(artifact.aliases) - {"latest", "best"}
        return one

    saved = [alias(artifact) for artifact in uninterrupted.artifacts]
    assert len(saved) == EPOCHS * STEPS // SAVE_FREQ
    further = [alias(artifact) for artifact in resumed.artifacts]
    assert further == saved[-len(further) :]
