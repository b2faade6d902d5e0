"""The example trains in two processes, and its run is that of one training."""

import re

import pytest

from examples.running import run_example
from wk_testing.versions import in_several_processes
from wk_testing.wandb_file import read_run

# The example chooses its backend itself.
pytestmark = [pytest.mark.backend_free, pytest.mark.slow]


def test_two_processes_and_one_run(tmp_path):
    with in_several_processes():
        process = run_example("distributed.py", "--epochs", "2", directory=tmp_path)
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
