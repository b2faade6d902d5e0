"""Two workers of `MultiWorkerMirroredStrategy`, under Keras 2."""

import json

import pytest

from distributed.checks import check_restored, check_run, runs
from distributed.processes import Launch, run_together
from distributed.training import EPOCHS
from server.process import free_port

pytestmark = pytest.mark.backend_free


def launch(directory, cluster, index):
    environment = {
        "TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}}),
        "TF_USE_LEGACY_KERAS": "1",
        "WANDB_SILENT": "false",
    }
    return Launch("distributed.multi_worker", [directory, "two"], environment)


def test_two_workers_are_one_training(reference, wandb_server, tmp_path):
    cluster = {"worker": [f"127.0.0.1:{free_port()}" for _ in range(2)]}
    launches = [launch(tmp_path, cluster, index) for index in range(2)]
    first, second = run_together(launches, tmp_path / "logs")
    assert "process 0 of 2 (TF_CONFIG); it writes" in first
    assert "process 1 of 2 (TF_CONFIG); it leaves it to process 0" in second

    assert runs(wandb_server) == {"two-model", "two-weights"}
    for name in ("model", "weights"):
        check_run(wandb_server, f"two-{name}", reference)
        check_restored(tmp_path, f"two-{name}", 2)
        saved = (tmp_path / name).iterdir()
        assert {path.name for path in saved} == {str(1 + epoch) for epoch in range(EPOCHS)}
