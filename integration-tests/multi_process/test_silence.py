"""A process that does not write: no run, no rows, no artifacts, no files."""

import pytest
import wandb

from multi_process.training import EPOCHS, Share, build, callbacks, keep, kept
from wk_checkpoint import WandbModelCheckpoint, restore
from wk_core.run import is_silent, resolve_run


@pytest.fixture(autouse=True)
def second_of_two(monkeypatch):
    monkeypatch.setenv("WK_PROCESS", "1/2")


def fit(directory):
    model = build()
    model.fit(
        Share(), epochs=EPOCHS, verbose=0, shuffle=False, callbacks=callbacks(directory / "m.keras")
    )
    return model


def test_it_needs_no_run_and_writes_nothing(tmp_path):
    fit(tmp_path / "models")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.backend_free
def test_it_leaves_the_active_run_alone(tmp_path, offline_run, read_back):
    run = offline_run()
    assert is_silent(resolve_run("Callback", run))
    fit(tmp_path / "models")

    written = read_back(run)
    assert written.history == []
    assert written.artifacts == []
    assert written.step_metrics == {}
    assert not (tmp_path / "models").exists()


def test_it_restores_from_a_path(tmp_path, offline_run, monkeypatch):
    monkeypatch.setenv("WK_PROCESS", "0/2")
    with offline_run():
        keep(tmp_path, "writer", fit(tmp_path))
    monkeypatch.setenv("WK_PROCESS", "1/2")

    model = build()
    assert restore(model, tmp_path / "m.keras").initial_epoch == EPOCHS
    keep(tmp_path, "other", model)
    for one, other in zip(kept(tmp_path, "writer", 0), kept(tmp_path, "other", 1), strict=True):
        assert one.tobytes() == other.tobytes()


@pytest.mark.backend_free
def test_it_has_no_run_to_restore_from():
    with pytest.raises(wandb.Error, match=r"does not write.*'latest'.*entity/project/name:alias"):
        restore(build(), "latest")


@pytest.mark.backend_free
def test_several_processes_are_not_preempted_together(tmp_path):
    with pytest.raises(ValueError, match="preemption=True is for trainings in one process"):
        WandbModelCheckpoint(tmp_path / "m.keras", preemption=True)
