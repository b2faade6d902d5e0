"""Artifacts that a run has logged, read back from its file."""

import json
import sys
import threading

import pytest
import wandb
from wandb.sdk.artifacts.artifact_instance_cache import artifact_instance_cache_by_client_id

from wk_core.artifacts import check_name, log_artifact
from wk_core.compat.wandb.artifacts import new_artifact
from wk_testing.versions import file_digest, needs_xxh128

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
    entries = {entry.path: entry for entry in artifact.manifest.contents}
    assert sorted(entries) == ["variables/index", "weights.h5"]
    assert entries["weights.h5"].digest == file_digest(tmp_path / "weights.h5")


@needs_xxh128
def test_digests_are_what_wandb_makes_of_the_same_files(offline_run, read_back, tmp_path, capsys):
    path = tmp_path / "weights.h5"
    path.write_text("w")
    run = offline_run()
    log_artifact(run, name="ours", type="model", paths=[path])
    assert "XXH128" not in capsys.readouterr().err  # wandb warns of it each time
    theirs = wandb.Artifact("theirs", type="model", digest_algorithm="XXH128")
    theirs.add_file(str(path))
    run.log_artifact(theirs)

    ours, as_expected = (
        (
            artifact.digest,
            artifact.digest_algorithm,
            [(entry.path, entry.digest, list(entry.extra)) for entry in artifact.manifest.contents],
        )
        for artifact in read_back(run).artifacts
    )
    assert ours == as_expected
    assert ours[1] == "MANIFEST_XXH128"


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


def test_artifacts_are_made_in_threads_beside_the_users_own():
    errors = []

    def make_many(make):
        try:
            for _ in range(300):  # wandb keeps a hundred of them
                make()
        except KeyError as error:
            errors.append(error)

    def make_theirs():
        wandb.Artifact("name", type="type")

    def make_ours():
        new_artifact("name", "type", {})

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [
            threading.Thread(target=make_many, args=[make])
            for make in (make_theirs, make_ours, make_ours, make_ours)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert errors == []
    assert "_prune_dict" not in vars(artifact_instance_cache_by_client_id)
