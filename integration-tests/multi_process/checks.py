"""What holds of every training in several processes, held against the same one in one."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wandb

from multi_process.training import BATCHES, EPOCHS, PROJECT, kept
from wandb_loopback import API_KEY, WandbServer
from wandb_loopback.reading import column, read_path, versions
from wk_testing.wandb_file import RunFile

__all__ = ["check_restored", "check_run", "runs"]


def runs(server: WandbServer) -> set[str]:
    """Returns the ids of all runs that a server has."""
    api = wandb.Api(overrides={"base_url": server.url}, api_key=API_KEY)
    return {run.id for run in api.runs(f"{api.default_entity}/{PROJECT}")}


def check_run(server: WandbServer, run_id: str, reference: RunFile) -> None:
    """Sees to it that a run is what it is in one process: each row once, one version a save."""
    run = read_path(f"{PROJECT}/{run_id}", server.url)
    assert run.state == "finished"
    assert column(run, "epoch/epoch") == list(range(EPOCHS))
    assert column(run, "batch/batch_step") == list(range(EPOCHS * BATCHES))
    assert column(run, "val/epoch") == list(range(EPOCHS))
    for key in ("epoch/loss", "epoch/mae", "batch/loss", "batch/mae", "val/mae"):
        assert column(run, key) == pytest.approx(reference.column(key), rel=1e-4), key
    for key in ("epoch/learning_rate", "batch/learning_rate"):
        assert column(run, key) == pytest.approx(reference.column(key)), key
    assert len(column(run, "epoch/steps_per_second")) == EPOCHS
    assert run.config["model_info"]["parameters"]["total"] == 81
    saved = versions(run)
    assert [set(version.aliases) for version in saved.values()] == [
        *({f"epoch_{epoch}"} for epoch in range(EPOCHS - 1)),
        {f"epoch_{EPOCHS - 1}", "best", "latest"},
    ]
    assert _evaluations(run.logged_artifacts()) == _evaluations(reference.artifacts) == EPOCHS + 1


def check_restored(directory: Path, run_id: str, count: int) -> None:
    """Sees to it that all processes have arrived at the same, with and without a restoration."""
    end = kept(directory, f"{run_id}-end", 0)
    for index in range(count):
        for name in ("end", "again"):
            _check_same(kept(directory, f"{run_id}-{name}", index), end)


def _evaluations(artifacts: Iterable[Any]) -> int:
    return sum(artifact.type == "evaluation" for artifact in artifacts)


def _check_same(values: list[np.ndarray], others: list[np.ndarray]) -> None:
    assert len(values) == len(others) > 6
    for value, other in zip(values, others, strict=True):
        np.testing.assert_array_equal(value, other)
