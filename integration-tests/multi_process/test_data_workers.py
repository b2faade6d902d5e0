"""Trainings whose data come from worker processes, which read the config and log."""

import importlib.util
from collections import Counter
from pathlib import Path

import pytest

from wk_core.compat.keras.flavour import backend
from wk_testing.scripts import run_script
from wk_testing.wandb_file import RunFile, read_run

KERAS = """
import multiprocessing, sys
import wandb
from wk_checkpoint import WandbModelCheckpoint
from wk_core.compat.keras.flavour import keras
from wk_core.worker.worker_run import WorkerRun
from wk_metrics import WandbMetricsLogger
from wk_testing.worker_data import ReportingData
from wk_testing.workers import CONFIG

method, directory = sys.argv[1:]
multiprocessing.set_start_method(method)
multiprocessing.set_forkserver_preload(["wk_testing.worker_data"])
with wandb.init(project="test", dir=directory, config=CONFIG):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    # Its handler of SIGTERM is inherited by workers that are forked.
    checkpoint = WandbModelCheckpoint(f"{directory}/m.keras", monitor="loss", preemption=True)
    data = ReportingData(WorkerRun(), items=4)
    model.fit(data, epochs=2, verbose=0, callbacks=[WandbMetricsLogger("batch"), checkpoint])
"""

TORCH = """
import sys
import torch
import wandb
from wk_core.worker.worker_run import WorkerRun
from wk_testing.workers import CONFIG, report

class Data(torch.utils.data.Dataset):
    def __init__(self, worker_run):
        self.worker_run = worker_run

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return report(self.worker_run, index)["batch_size"]

method, directory = sys.argv[1:]
with wandb.init(project="test", dir=directory, config=CONFIG):
    loader = torch.utils.data.DataLoader(
        Data(WorkerRun()), batch_size=2, num_workers=2, multiprocessing_context=method
    )
    assert [batch.tolist() for batch in loader] == [[4, 4]] * 4
"""


def run_in_workers(
    script: str, method: str, directory: Path, **environment: str
) -> tuple[RunFile, list[RunFile]]:
    """Runs a training; returns its run, and those of its workers."""
    process = run_script(script, method, str(directory), **environment)
    assert process.returncode == 0, process.stderr
    assert "Traceback" not in process.stderr
    runs = [read_run(path) for path in directory.glob("wandb/offline-run-*")]
    assert {run.exit_code for run in runs} == {0}
    (main,) = [run for run in runs if run.column("loader/item")]
    return main, [run for run in runs if run is not main]


@pytest.mark.parametrize(
    ("method", "its_backend"),
    [
        ("fork", backend()),
        # Each of the processes imports the backend anew.
        pytest.param("forkserver", "jax", marks=pytest.mark.backend_free),
    ],
)
def test_keras_data(method, its_backend, tmp_path):
    main, others = run_in_workers(KERAS, method, tmp_path, KERAS_BACKEND=its_backend)

    # Keras looks at batches in the main process, too; in a worker each is logged to both runs.
    loaded = Counter(main.column("loader/item"))
    assert set(loaded) == {0, 1, 2, 3}
    assert min(loaded.values()) >= 2
    assert loaded == Counter(item for run in [main, *others] for item in run.column("item"))
    assert len(others) >= 2
    # What workers log at the same time costs the callbacks none of their rows.
    assert main.column("batch/batch_step") == list(range(8))
    assert main.column("epoch/epoch") == [0, 1]


@pytest.mark.backend_free
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs PyTorch")
def test_data_loader(tmp_path):
    main, others = run_in_workers(TORCH, "fork", tmp_path)

    assert sorted(main.column("loader/item")) == list(range(8))
    assert sorted(item for run in others for item in run.column("item")) == list(range(8))
    assert len(others) == 2
