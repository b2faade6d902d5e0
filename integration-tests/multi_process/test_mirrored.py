"""`MirroredStrategy` over two logical devices of one process, under Keras 3."""

import pytest

from multi_process.checks import check_restored, check_run, runs
from multi_process.processes import Launch, run_together

pytestmark = [pytest.mark.backend_free, pytest.mark.slow]


def test_two_replicas_are_one_training(reference, wandb_server, tmp_path):
    launch = Launch("multi_process.mirrored", [tmp_path, "two"], {"KERAS_BACKEND": "tensorflow"})
    run_together([launch], tmp_path / "logs")

    assert runs(wandb_server) == {"two"}
    check_run(wandb_server, "two", reference)
    check_restored(tmp_path, "two", 1)
