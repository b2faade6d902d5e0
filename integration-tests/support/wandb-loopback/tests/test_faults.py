"""Faults: each can be ordered, hits the client, and is survived where the client can survive it."""

import threading
import time
from pathlib import Path

import pytest
import wandb

from wandb_loopback import WandbServer
from wandb_loopback.faults import Fault
from wk_testing.client import history

pytestmark = pytest.mark.backend_free

ROWS = 20


def losses(path: str) -> list[float]:
    return [row["loss"] for row in history(wandb.Api().run(path), keys=["loss"])]


def log_while(order) -> wandb.Run:
    """Begin a run, let something go wrong, and log some rows; the run goes on."""
    run = wandb.init(project="p")
    order()
    for number in range(ROWS):
        run.log({"loss": number})
    return run


def wait_until(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_error_that_may_pass_is_retried(wandb_server: WandbServer, status: int):
    run = log_while(lambda: wandb_server.fail("file_stream", status, times=2))
    run.finish()
    assert losses(run.path) == list(range(ROWS))
    assert wandb.Api().run(run.path).state == "finished"
    statuses = [each.status for each in wandb_server.requests("file_stream")]
    assert statuses.count(status) == 2


def test_a_dropped_connection_is_retried(wandb_server: WandbServer):
    run = log_while(lambda: wandb_server.drop("file_stream", times=2))
    run.finish()
    assert losses(run.path) == list(range(ROWS))
    assert [each.fault for each in wandb_server.requests("file_stream")].count("drop") >= 1


def test_a_stalled_connection_is_retried(wandb_server: WandbServer):
    run = log_while(lambda: wandb_server.stall("file_stream"))
    threading.Timer(2, wandb_server.heal).start()
    run.finish()
    assert losses(run.path) == list(range(ROWS))
    assert "stall" in [each.fault for each in wandb_server.requests("file_stream")]


def test_a_lost_reply_adds_no_row_twice(wandb_server: WandbServer):
    run = log_while(lambda: wandb_server.lose_reply("file_stream", times=3))
    run.finish()
    assert losses(run.path) == list(range(ROWS))
    assert "lose_reply" in [each.fault for each in wandb_server.requests("file_stream")]


@pytest.mark.parametrize("status", [400, 401, 404])
def test_a_final_error_ends_the_stream_of_a_run(wandb_server: WandbServer, status: int):
    run = log_while(lambda: wandb_server.fail("file_stream", status, times=1))
    run.finish()
    read = wandb.Api().run(run.path)
    assert read.state == "running"
    assert len(history(read)) < ROWS


def test_the_time_of_a_fault_can_begin_with_its_first_hit():
    fault = Fault("drop", seconds=0.2, from_first=True)
    time.sleep(0.4)
    assert fault.hits("files", "PUT", None)
    time.sleep(0.4)
    assert not fault.hits("files", "PUT", None)


def test_a_fault_ends_after_its_time(wandb_server: WandbServer):
    run = log_while(lambda: wandb_server.fail(seconds=2))
    run.finish()
    assert losses(run.path) == list(range(ROWS))
    assert "status" in [each.fault for each in wandb_server.requests()]


def test_a_fault_spares_the_first_requests(wandb_server: WandbServer):
    wandb_server.fail("graphql", 500, times=1, after=1, operation="UpsertBucket")
    with wandb.init(project="p") as run:
        pass
    faults = [each.fault for each in wandb_server.requests(operation="UpsertBucket")]
    assert faults[:2] == [None, "status"]
    assert wandb.Api().run(run.path).state == "finished"


def test_queries_are_retried(wandb_server: WandbServer):
    wandb_server.fail("graphql", times=2)
    run = log_while(lambda: None)
    run.finish()
    assert losses(run.path) == list(range(ROWS))


def test_a_refused_login_is_an_error_at_once(wandb_server: WandbServer):
    wandb_server.fail("graphql", 401, times=1, operation="UpsertBucket")
    with pytest.raises(wandb.errors.CommError):
        wandb.init(project="p")


def test_uploads_of_an_artifact_are_retried(wandb_server: WandbServer, tmp_path: Path):
    wandb_server.fail("files", times=2, method="PUT")
    wandb_server.drop("files", times=1, method="PUT")
    artifact = wandb.Artifact("data", type="dataset")
    with artifact.new_file("a.txt") as file:
        file.write("persistent")
    with wandb.init(project="p") as run:
        run.log_artifact(artifact).wait()
    directory = Path(wandb.Api().artifact("p/data:v0").download(root=str(tmp_path / "here")))
    assert (directory / "a.txt").read_text() == "persistent"


def test_a_lost_reply_makes_no_second_version(wandb_server: WandbServer):
    wandb_server.lose_reply("graphql", times=1, operation="CommitArtifact")
    artifact = wandb.Artifact("data", type="dataset")
    with artifact.new_file("a.txt") as file:
        file.write("once")
    with wandb.init(project="p") as run:
        assert run.log_artifact(artifact).wait().version == "v0"
    assert [each.version for each in wandb.Api().artifacts("dataset", "p/data")] == ["v0"]


def test_a_damaged_upload_makes_no_version(wandb_server: WandbServer):
    artifact = wandb.Artifact("data", type="dataset")
    with artifact.new_file("a.txt") as file:
        file.write("fragile")
    with wandb.init(project="p") as run:
        wandb_server.corrupt("files", method="PUT")
        with pytest.raises(ValueError, match="upload"):
            run.log_artifact(artifact).wait()
        wandb_server.heal()
    refused = [each for each in wandb_server.requests("files") if each.fault == "corrupt"]
    assert 400 in [each.status for each in refused]
    assert not wandb.Api().artifact_exists("p/data:v0")


def test_a_killed_server_continues_where_it_was(wandb_server: WandbServer):
    run = log_while(lambda: None)
    wait_until(lambda: len(losses(run.path)) == ROWS)
    wandb_server.kill()
    for number in range(ROWS):
        run.log({"loss": ROWS + number})
    threading.Timer(2, wandb_server.start).start()
    run.finish()
    assert losses(run.path) == list(range(2 * ROWS))
    assert wandb.Api().run(run.path).state == "finished"


def test_a_restarted_server_has_its_artifacts(wandb_server: WandbServer, tmp_path: Path):
    artifact = wandb.Artifact("data", type="dataset")
    with artifact.new_file("a.txt") as file:
        file.write("durable")
    with wandb.init(project="p") as run:
        run.log_artifact(artifact).wait()
    stored = wandb_server.stored_bytes()
    wandb_server.kill()
    wandb_server.start()
    assert wandb_server.stored_bytes() == stored
    directory = Path(wandb.Api().artifact("p/data:latest").download(root=str(tmp_path / "here")))
    assert (directory / "a.txt").read_text() == "durable"


def test_a_run_waits_for_a_server_that_is_down_at_the_start(wandb_server: WandbServer):
    wandb_server.stop()
    threading.Timer(2, wandb_server.start).start()
    with wandb.init(project="p") as run:
        run.log({"loss": 0})
    assert losses(run.path) == [0]
