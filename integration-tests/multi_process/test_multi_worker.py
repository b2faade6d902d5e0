"""Two workers of `MultiWorkerMirroredStrategy`, under Keras 2."""

import json

import pytest

from multi_process.checks import check_restored, check_run, runs
from multi_process.processes import Launch, run_together
from multi_process.training import EPOCHS
from wandb_loopback import free_port

pytestmark = [pytest.mark.backend_free, pytest.mark.slow]


def launch_two(module, *arguments, **variables):
    """Returns how two workers are started that know of each other."""
    cluster = {"worker": [f"127.0.0.1:{free_port()}" for _ in range(2)]}
    tasks = [{"type": "worker", "index": index} for index in range(2)]
    return [
        Launch(
            f"multi_process.{module}",
            arguments,
            {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task}), **variables},
        )
        for task in tasks
    ]


def test_two_workers_are_one_training(reference, wandb_server, tmp_path):
    keras_2 = {"TF_USE_LEGACY_KERAS": "1", "WANDB_SILENT": "false"}
    launches = launch_two("multi_worker", tmp_path, "two", **keras_2)
    first, second = run_together(launches, tmp_path / "logs")
    assert "process 0 of 2 (TF_CONFIG); it writes" in first
    assert "process 1 of 2 (TF_CONFIG); it leaves it to process 0" in second

    for printed in (first, second):
        assert "WandbCallback looks into a model in one process alone" in printed
        assert "WandbWeightLogger looks into a model in one process alone" in printed

    assert runs(wandb_server) == {"two-model", "two-weights"}
    for name in ("model", "weights"):
        check_run(wandb_server, f"two-{name}", reference)
        check_restored(tmp_path, f"two-{name}", 2)
        saved = (tmp_path / name).iterdir()
        assert {path.name for path in saved} == {str(1 + epoch) for epoch in range(EPOCHS)}


def test_keras_3_is_warned_of_before_it_fails(tmp_path):
    launches = launch_two(
        "keras_3_worker", KERAS_BACKEND="tensorflow", WANDB_MODE="disabled", WK_PROCESS="1/2"
    )
    for printed in run_together(launches, tmp_path / "logs"):
        warned = printed.index("warned: Keras 3 cannot train")
        assert warned < printed.index("fit fails: ValueError, PerReplica: True")
        assert "https://github.com/keras-team/keras/issues/20585" in printed
