"""The example trains in two processes, and its run is that of one training."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from wk_testing.wandb_file import read_run

# The example chooses its backend itself.
pytestmark = [pytest.mark.backend_free, pytest.mark.slow]

EXAMPLE = Path(__file__).parents[2] / "examples" / "distributed.py"


def test_two_processes_and_one_run(tmp_path):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("WANDB_")}
    process = subprocess.run(
        [sys.executable, EXAMPLE, "--epochs", "2"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert process.returncode == 0, process.stderr
    sums = re.findall(r"Process (\d) of 2: the weights add up to (\S+)\.", process.stdout)
    assert sorted(index for index, _ in sums) == ["0", "1"]
    assert len({total for _, total in sums}) == 1
    assert process.stdout.count("Epoch 2/2") == 1

    assert len(list((tmp_path / "wandb").glob("offline-run-*"))) == 1
    run = read_run(tmp_path)
    assert run.column("epoch/epoch") == [0, 1]
    losses = run.column("epoch/val_loss")
    assert losses[1] < losses[0]
    assert run.column("epoch/val_accuracy")[1] > 0.7
    assert len(run.column("epoch/samples_per_second")) == 2
    assert [artifact.type for artifact in run.artifacts].count("model") == 2
    assert run.exit_code == 0
    assert [path.name for path in (tmp_path / "distributed").iterdir()] == ["model.keras"]
