"""`MirroredStrategy` over two logical devices of one process, under Keras 3."""

import pytest

from distributed.checks import check_restored, check_run, runs
from distributed.processes import Launch, run_together

pytestmark = [pytest.mark.backend_free, pytest.mark.slow]


def test_two_replicas_are_one_training(reference, wandb_server, tmp_path):
    launch = Launch("distributed.mirrored", [tmp_path, "two"], {"KERAS_BACKEND": "tensorflow"})
    run_together([launch], tmp_path / "logs")

    assert runs(wandb_server) == {"two"}
    check_run(wandb_server, "two", reference)
    check_restored(tmp_path, "two", 1)
