"""The example trains for real; its run holds its gradients and, if it diverges, where and why."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from wk_testing.histograms import logged_histograms
from wk_testing.wandb_file import read_run

GRADIENTS = Path(__file__).parents[2] / "examples" / "gradients.py"
STEPS = 57  # ceil(1,797 / 32)
LAYERS = ("edges", "shapes", "hidden", "classes")


def run_example(directory, *options):
    """Runs the example; returns what it printed and what its run holds."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("WANDB_")}
    process = subprocess.run(
        [sys.executable, GRADIENTS, "--epochs", "2", *options],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout + process.stderr, read_run(directory)


def test_a_sane_training(tmp_path):
    output, written = run_example(tmp_path)

    assert "The training did not diverge." in output
    rows = written.rows("batch/grad_norm")
    assert [row["batch/batch_step"] for row in rows] == list(range(2 * STEPS))
    norms = [row["batch/grad_norm"] for row in rows]
    last = written.rows("epoch/grad_norm")[-1]
    assert last["epoch/grad_norm"] == pytest.approx(sum(norms[STEPS:]) / STEPS)
    assert last["epoch/grad_norm_max"] == pytest.approx(max(norms[STEPS:]))
    for layer in LAYERS:
        assert f"\n{layer}" in output
        assert 1e-4 < last[f"epoch_gradients/{layer}/kernel.update_ratio"] < 0.1
    full = {STEPS + step for step in range(STEPS) if (STEPS + step) % 10 == 0} | {2 * STEPS - 1}
    counts, _ = logged_histograms(last)["epoch_gradients/edges/kernel.gradient"]
    assert sum(counts) == len(full) * 3 * 3 * 16
    assert not any(key.startswith("divergence/") for key in written.summary)


def test_a_training_that_diverges(tmp_path):
    output, written = run_example(tmp_path, "--diverge")

    found = written.summary
    assert found["divergence/step"] == 71  # the first batch with that rate
    assert found["divergence/layer"] in LAYERS
    assert found["divergence/kind"] == "weight exploded"
    assert found["divergence/origin"] == "update"
    assert "The training diverged:" in output
    assert f"  layer    {found['divergence/layer']}\n" in output
    assert "look at the learning rate" in output  # as the callback says
    assert 71 < len(written.rows("batch/grad_norm")) < 2 * STEPS
