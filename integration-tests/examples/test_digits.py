"""The example trains for real, and its run holds the right values."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from examples.running import run_example
from wk_testing.versions import has_tools
from wk_testing.wandb_file import read_run


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Runs the example; returns what it printed and the directory that it ran in."""
    directory = tmp_path_factory.mktemp("digits")
    return run_example("digits.py", "--epochs", "3", directory=directory).stdout, directory


def test_it_shows_progress_and_says_where_the_run_is(digits):
    output, directory = digits

    assert "Epoch 3/3" in output
    (run,) = (directory / "wandb").glob("offline-run-*")
    assert re.search(rf"The run lies in +wandb/{run.name}\n", output)
    assert f"uv run wandb leet wandb/{run.name}\n" in output
    assert f"uv run wandb sync wandb/{run.name}\n" in output


def can_inspect(wandb):
    options = subprocess.run(
        [wandb, "leet", "inspect", "--help"], capture_output=True, text=True, check=False
    )
    return "--summary" in options.stdout


def test_the_run_can_be_looked_at_as_it_says(digits):
    _, directory = digits
    (run,) = (directory / "wandb").glob("offline-run-*")
    wandb = Path(sys.executable).parent / "wandb"
    if not has_tools() and not can_inspect(wandb):
        pytest.skip("this version of wandb cannot print a run's summary")
    shown = subprocess.run(
        [wandb, "leet", "inspect", "--summary", run],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "test/accuracy" in shown.stdout, shown.stderr


def test_the_run_holds_the_right_values(digits):
    _, directory = digits
    written = read_run(directory)

    steps = 44  # ceil(1,400 / 32)
    assert written.column("epoch/epoch") == [0, 1, 2]
    assert written.column("batch/batch_step") == list(range(0, 3 * steps, 10))
    first, _, last = written.rows("epoch/epoch")
    assert last["epoch/loss"] < first["epoch/loss"]
    assert last["epoch/val_accuracy"] > 0.8
    assert written.column("test/accuracy")[0] > 0.8
    rates = written.column("batch/learning_rate")
    assert rates[0] == pytest.approx(3e-3)
    assert rates == sorted(rates, reverse=True)
    for row in (first, last):
        assert row["epoch/samples_per_second"] > row["epoch/steps_per_second"] > 0
    assert written.config["epochs"] == 3
    assert written.config["model_info"]["parameters"]["total"] == 29_066
    assert written.summary["test/accuracy"] == written.column("test/accuracy")[0]
    assert written.exit_code == 0
