"""Runs against the server: what the client writes, `wandb.Api` reads back."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import wandb

from wandb_loopback import WandbServer
from wk_testing.client import history

pytestmark = pytest.mark.backend_free


def finished_run(rows: int = 5, **settings: object) -> str:
    """Log some rows of history and return the path of the run."""
    with wandb.init(project="p", **settings) as run:
        for number in range(rows):
            run.log({"loss": number})
    return f"{run.entity}/{run.project}/{run.id}"


def losses(path: str) -> list[float]:
    return [row["loss"] for row in history(wandb.Api().run(path), keys=["loss"])]


@pytest.mark.usefixtures("wandb_server")
def test_a_run_is_read_back():
    with wandb.init(
        project="p", config={"lr": 0.1}, name="n", tags=["t"], group="g", notes="hm"
    ) as run:
        run.define_metric("epoch/*", step_metric="epoch/epoch")
        for number in range(3):
            run.log({"epoch/epoch": number, "epoch/loss": 1 / (number + 1)})
        run.config["late"] = [1, 2]
        run.summary["best"] = 0.25

    read = wandb.Api().run(f"p/{run.id}")
    assert read.state == "finished"
    assert (read.name, read.tags, read.group, read.notes) == ("n", ["t"], "g", "hm")
    assert read.config == {"lr": 0.1, "late": [1, 2]}
    assert read.summary["best"] == 0.25
    assert read.summary["epoch/epoch"] == 2
    assert [row["_step"] for row in history(read)] == [0, 1, 2]
    assert [row["epoch/loss"] for row in history(read, keys=["epoch/loss"])] == [
        1,
        1 / 2,
        1 / 3,
    ]
    assert read.lastHistoryStep == 2
    assert "epoch/epoch" in json.dumps(read.rawconfig["_wandb"]["m"])


@pytest.mark.usefixtures("wandb_server")
def test_a_run_that_raises_has_failed():
    with pytest.raises(ZeroDivisionError), wandb.init(project="p") as run:
        raise ZeroDivisionError
    assert wandb.Api().run(f"p/{run.id}").state == "failed"


@pytest.mark.usefixtures("wandb_server")
def test_history_comes_in_pages_and_in_samples():
    path = finished_run(rows=30)
    read = wandb.Api().run(path)
    assert [row["loss"] for row in history(read, page_size=7)] == list(range(30))
    assert [row["loss"] for row in history(read, min_step=10, max_step=13)] == [10, 11, 12]
    assert len(read.history(samples=10, pandas=False)) == 10
    assert len(read.history(keys=["loss"], samples=10, pandas=False)) == 10


@pytest.mark.usefixtures("wandb_server")
def test_resume_continues_the_history_and_the_summary():
    path = finished_run(rows=3)
    identifier = path.rpartition("/")[2]
    with wandb.init(project="p", id=identifier, resume="must") as run:
        assert run.resumed
        assert run.starting_step == 3
        assert run.summary["loss"] == 2
        run.log({"loss": 3})
    with wandb.init(project="p", id=identifier, resume="allow") as run:
        run.log({"loss": 4})
    assert losses(path) == [0, 1, 2, 3, 4]
    assert wandb.Api().run(path).state == "finished"


@pytest.mark.usefixtures("wandb_server")
def test_resume_must_and_never_are_refused_by_the_state_of_the_run():
    with pytest.raises(wandb.errors.UsageError):
        wandb.init(project="p", id="absent", resume="must")
    identifier = finished_run().rpartition("/")[2]
    with pytest.raises(wandb.errors.UsageError):
        wandb.init(project="p", id=identifier, resume="never")


@pytest.mark.usefixtures("wandb_server")
def test_resume_allow_begins_a_run_that_is_not_there():
    with wandb.init(project="fresh", id="new", resume="allow") as run:
        assert not run.resumed
        run.log({"loss": 0})
    assert losses("fresh/new") == [0]


@pytest.mark.usefixtures("wandb_server")
def test_files_of_a_run_are_read_back(tmp_path: Path):
    with wandb.init(project="p") as run:
        Path(run.dir, "notes.txt").write_text("remember")
        run.save(str(Path(run.dir, "notes.txt")), base_path=run.dir, policy="end")
        run.log({"image": wandb.Image(np.zeros((4, 4, 3), dtype=np.uint8))})
    read = wandb.Api().run(f"p/{run.id}")
    names = {file.name for file in read.files()}
    assert {"notes.txt", "config.yaml", "wandb-summary.json"} <= names
    assert any(name.startswith("media/images/") for name in names)
    with read.file("notes.txt").download(root=str(tmp_path / "here")) as file:
        assert file.read() == "remember"
    read.file("notes.txt").delete()
    assert "notes.txt" not in {file.name for file in wandb.Api().run(f"p/{run.id}").files()}


@pytest.mark.usefixtures("wandb_server")
def test_runs_are_listed_filtered_and_ordered():
    paths = [finished_run(rows=rows, config={"rows": rows}) for rows in (3, 1, 2)]
    names = [path.rpartition("/")[2] for path in paths]

    def listed(**options: object) -> list[str]:
        return [run.id for run in wandb.Api().runs("p", **options)]

    assert listed(order="+created_at") == names
    assert listed(order="-created_at") == names[::-1]
    assert listed(order="+summary_metrics.loss") == [names[1], names[2], names[0]]
    assert listed(filters={"config.rows": {"$gt": 1}}, per_page=1, order="+created_at") == [
        names[0],
        names[2],
    ]
    assert listed(
        filters={"$or": [{"name": names[0]}, {"config.rows": 1}]}, order="+created_at"
    ) == [
        names[0],
        names[1],
    ]


@pytest.mark.usefixtures("wandb_server")
def test_a_run_is_changed_and_deleted_from_outside():
    path = finished_run()
    read = wandb.Api().run(path)
    read.tags.append("good")
    read.config["note"] = "later"
    read.summary["judged"] = True
    read.update()
    again = wandb.Api().run(path)
    assert again.tags == ["good"]
    assert again.config["note"] == "later"
    assert again.summary["judged"] is True
    assert again.state == "finished"
    assert losses(path) == [0, 1, 2, 3, 4]
    again.delete()
    with pytest.raises(wandb.errors.CommError):
        wandb.Api().run(path)


def test_an_offline_run_is_synced(wandb_server: WandbServer):
    with wandb.init(project="p", mode="offline") as run:
        for number in range(3):
            run.log({"loss": number})
        artifact = wandb.Artifact("data", type="dataset")
        with artifact.new_file("a.txt") as file:
            file.write("offline")
        run.log_artifact(artifact)
        directory = Path(run.dir).parent
    assert wandb_server.requests() == []

    subprocess.run([sys.executable, "-m", "wandb", "sync", str(directory)], check=True, timeout=120)
    assert losses(f"p/{run.id}") == [0, 1, 2]
    assert wandb.Api().artifact("p/data:latest").logged_by().id == run.id


SHARED = """
import sys, wandb
identifier, label = sys.argv[1:]
settings = wandb.Settings(
    mode="shared",
    x_label=label,
    x_primary=label == "first",
    x_update_finish_state=label == "first",
)
with wandb.init(project="p", id=identifier, settings=settings) as run:
    for number in range(5):
        run.log({f"{label}/loss": number})
"""


@pytest.mark.usefixtures("wandb_server")
def test_two_processes_write_one_run_in_shared_mode():
    writers = [
        subprocess.Popen([sys.executable, "-c", SHARED, "both", label])
        for label in ("first", "second")
    ]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0]
    read = wandb.Api().run("p/both")
    rows = history(read)
    assert len(rows) == 10
    for label in ("first", "second"):
        assert [row[f"{label}/loss"] for row in rows if f"{label}/loss" in row] == list(range(5))
        assert read.summary[f"{label}/loss"] == 4
