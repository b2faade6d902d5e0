"""Artifacts that a run has logged, read back from its file."""

import json
import sys
import threading

import pytest
import wandb

from wk_core.artifacts import check_name, log_artifact

pytestmark = pytest.mark.backend_free


def test_files_and_directories(offline_run, read_back, tmp_path):
    (tmp_path / "weights.h5").write_text("w")
    (tmp_path / "saved" / "variables").mkdir(parents=True)
    (tmp_path / "saved" / "variables" / "index").write_text("i")
    run = offline_run()
    log_artifact(
        run,
        name="model_1",
        type="model",
        paths=[tmp_path / "weights.h5", tmp_path / "saved"],
        aliases=["latest", "epoch_0"],
        metadata={"epoch": 0},
    )

    (artifact,) = read_back(run).artifacts
    assert (artifact.name, artifact.type) == ("model_1", "model")
    assert set(artifact.aliases) == {"latest", "epoch_0"}
    assert json.loads(artifact.metadata) == {"epoch": 0}
    paths = sorted(entry.path for entry in artifact.manifest.contents)
    assert paths == ["variables/index", "weights.h5"]


def test_missing_file(offline_run, read_back, tmp_path):
    run = offline_run()
    with pytest.raises(FileNotFoundError, match=r"artifact 'model': there is no .*nothing"):
        log_artifact(run, name="model", type="model", paths=[tmp_path / "nothing"])
    assert read_back(run).artifacts == []


@pytest.mark.parametrize("name", ["run_1-a.b_model", "x" * 128])
def test_good_names(name):
    assert check_name(name, what="It") == name


@pytest.mark.parametrize("name", ["", "a b", "a/b", "a:b", "ü", "x" * 129])
def test_bad_names(name):
    with pytest.raises(ValueError, match="It needs a name of 1 to 128") as raised:
        check_name(name, what="It")
    assert repr(name) in str(raised.value)


def test_artifacts_are_made_in_several_threads_at_once():
    errors = []

    def make_many():
        try:
            for _ in range(300):  # wandb keeps a hundred of them
                wandb.Artifact("name", type="type")
        except KeyError as error:
            errors.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=make_many) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert errors == []
