"""Two workers of Ray Train, with Keras 3 on JAX."""

import tempfile

import numpy as np
import pytest

from multi_process.checks import runs
from multi_process.processes import Launch, run_together
from multi_process.training import BATCHES, EPOCHS, PROJECT, kept
from wandb_loopback.reading import column, read_path, versions
from wk_testing.versions import has_module

pytestmark = [
    pytest.mark.backend_free,
    pytest.mark.slow,
    pytest.mark.skipif(not has_module("ray"), reason="needs Ray"),
]


@pytest.fixture
def ray_directory():
    """A directory for Ray's own files, with a short name: it puts sockets there."""
    with tempfile.TemporaryDirectory(prefix="wk-ray-", ignore_cleanup_errors=True) as directory:
        yield directory


def test_a_killed_worker_and_the_run_that_goes_on(reference, wandb_server, tmp_path, ray_directory):
    environment = {
        "JAX_CPU_COLLECTIVES_IMPLEMENTATION": "gloo",
        "JAX_PLATFORMS": "cpu",
        "KERAS_BACKEND": "jax",
        "RAY_AUTH_MODE": "disabled",
        # Else Ray makes an environment for its workers wherever `uv run` is among its parents.
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
        "RAY_TMPDIR": ray_directory,
        "RAY_USAGE_STATS_ENABLED": "0",
        "WANDB_SILENT": "false",
    }
    launch = Launch("multi_process.ray_worker", [tmp_path, "two"], environment)
    (printed,) = run_together([launch], tmp_path / "logs")
    assert "process 0 of 2 (Ray Train); it writes" in printed
    assert "process 1 of 2 (Ray Train); it leaves it to process 0" in printed
    assert (tmp_path / "died").exists()

    assert runs(wandb_server) == {"two"}
    run = read_path(f"{PROJECT}/two", wandb_server.url)
    assert run.state == "finished"
    assert column(run, "epoch/epoch") == list(range(EPOCHS))
    assert column(run, "epoch/loss") == pytest.approx(reference.column("epoch/loss"), rel=1e-4)
    # Of the epoch in which the worker died, batches may have been logged before.
    batches = column(run, "batch/batch_step")
    assert batches == list(range(EPOCHS * BATCHES))
    assert column(run, "batch/loss") == pytest.approx(reference.column("batch/loss"), rel=1e-4)
    assert len(versions(run)) == EPOCHS
    first, second = (kept(tmp_path, "two-end", index) for index in range(2))
    assert all(map(np.array_equal, first, second))
