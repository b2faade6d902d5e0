"""Two processes of JAX' own runtime, under Keras 3."""

import numpy as np
import pytest

from multi_process.checks import check_restored, check_run, runs
from multi_process.processes import Launch, run_together
from multi_process.training import BATCH, EPOCHS, PROJECT, X, Y, kept, look_at_gradients
from wandb_loopback import free_port
from wandb_loopback.reading import column, read_path
from wk_testing.versions import in_several_processes

pytestmark = [pytest.mark.backend_free, pytest.mark.slow]


def launch(directory, coordinator, index):
    environment = {"KERAS_BACKEND": "jax", "WANDB_SILENT": "false"}
    arguments = [directory, "two", coordinator, str(index)]
    return Launch("multi_process.jax_process", arguments, environment)


def test_two_processes_are_one_training(reference, wandb_server, tmp_path, offline_run, read_back):
    coordinator = f"127.0.0.1:{free_port()}"
    launches = [launch(tmp_path, coordinator, index) for index in range(2)]
    with in_several_processes():
        first, second = run_together(launches, tmp_path / "logs")
    assert "warned: JAX runs in 2 processes, but each trains a model of its own" in first
    assert "process 0 of 2 (JAX); it writes" in first
    assert "process 1 of 2 (JAX); it leaves it to process 0" in second

    watched = {"two-gradients", "two-split-gradients"}
    assert runs(wandb_server) == {"two", "two-shared", "two-split", *watched}
    check_run(wandb_server, "two", reference)
    check_restored(tmp_path, "two", 2)
    saved = tmp_path.glob("*.keras")
    assert {path.name for path in saved} == {f"epoch-{1 + epoch}.keras" for epoch in range(EPOCHS)}

    # The gradients are those of whole batches, whatever part of them a process has.
    run = offline_run()
    look_at_gradients(X, Y, batch_size=BATCH)
    alone = read_back(run)
    for run_id in watched:
        together = read_path(f"{PROJECT}/{run_id}", wandb_server.url)
        for name in ("grad_norm", "grad_norm_max"):
            assert column(together, f"epoch/{name}") == pytest.approx(
                alone.column(f"epoch/{name}"), rel=1e-4
            )
        for name in ("hidden.norm", "out/kernel.update_ratio"):
            key = f"batch_gradients/{name}"
            assert column(together, key) == pytest.approx(alone.column(key), rel=1e-3)

    # Restored from the server, in the process that has a run and in the one that has none.
    end = kept(tmp_path, "two-end", 0)
    for index in range(2):
        downloaded = kept(tmp_path, "two-downloaded", index)
        assert all(map(np.array_equal, downloaded, end))

    # Each has had a part of the model: what they have put together is restored as it was.
    saved = (tmp_path / "two-split").iterdir()
    assert {path.name for path in saved} == {"model.keras", "model.h5"}
    split = read_path(f"{PROJECT}/two-split", wandb_server.url)
    names = sorted(version.name for version in split.logged_artifacts())
    assert names == ["h5:v0", "h5:v1", "keras:v0", "keras:v1"]

    assert all("Received: when_busy='skip'" in printed for printed in (first, second))

    # Both have reported to one run, each for itself.
    shared = read_path(f"{PROJECT}/two-shared", wandb_server.url)
    assert shared.state == "finished"
    assert column(shared, "epoch/epoch") == [0, 1]
    for index in range(2):
        assert column(shared, f"process_{index}/epoch") == [0, 1]
        assert len(column(shared, f"process_{index}/samples_per_second")) == 2
