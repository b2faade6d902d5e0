"""Artifacts against the server: every version is what was uploaded, and no more is stored."""

import base64
import hashlib
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import wandb
import xxhash

from wandb_loopback import WandbServer
from wandb_loopback.runs.projects import MD5_ENTITY
from wk_testing.versions import needs_xxh128

pytestmark = pytest.mark.backend_free


def log(content: str, aliases: tuple[str, ...] = (), name: str = "data", **options: object):
    """Log a version that holds one file, and wait for it."""
    artifact = wandb.Artifact(name, type="dataset", **options)
    with artifact.new_file("a.txt") as file:
        file.write(content)
    with wandb.init(project="p") as run:
        return run.log_artifact(artifact, aliases=list(aliases)).wait()


def content_of(name: str, root: Path) -> str:
    directory = wandb.Api().artifact(f"p/{name}").download(root=str(root))
    return Path(directory, "a.txt").read_text()


@pytest.mark.usefixtures("wandb_server")
def test_an_artifact_is_read_back(tmp_path: Path):
    with wandb.init(project="p") as run:
        artifact = wandb.Artifact("data", type="dataset", description="some", metadata={"rows": 2})
        with artifact.new_file("deep/a.txt") as file:
            file.write("hello")
        logged = run.log_artifact(artifact, aliases=["best"], tags=["checked"]).wait()
        assert logged.version == "v0"
    with wandb.init(project="p") as user:
        used = user.use_artifact("data:best")
        downloaded = Path(used.download(root=str(tmp_path / "used")))
    assert (downloaded / "deep/a.txt").read_text() == "hello"

    read = wandb.Api().artifact("p/data:v0")
    assert (read.description, read.metadata, read.size) == ("some", {"rows": 2}, 5)
    assert sorted(read.aliases) == ["best", "latest"]
    assert read.tags == ["checked"]
    assert read.logged_by().id == run.id
    assert [each.id for each in read.used_by()] == [user.id]
    assert [file.name for file in read.files()] == ["deep/a.txt"]
    assert [each.name for each in wandb.Api().run(f"p/{run.id}").logged_artifacts()] == ["data:v0"]
    assert [each.name for each in wandb.Api().run(f"p/{user.id}").used_artifacts()] == ["data:v0"]


def test_a_download_fetches_the_bytes_from_the_server(wandb_server: WandbServer, tmp_path: Path):
    log("over the wire")
    before = len(wandb_server.requests("files"))
    assert content_of("data:v0", tmp_path / "here") == "over the wire"
    fetched = wandb_server.requests("files")[before:]
    digest = hashlib.md5(b"over the wire").hexdigest()
    assert ("GET", f"/blobs/{digest}") in [(each.method, each.path) for each in fetched]


@pytest.mark.usefixtures("wandb_server")
def test_aliases_move_to_the_version_that_was_given_them_last(tmp_path: Path):
    log("old", ("best",))
    log("new", ("best",))
    assert sorted(wandb.Api().artifact("p/data:v0").aliases) == []
    assert sorted(wandb.Api().artifact("p/data:v1").aliases) == ["best", "latest"]
    assert content_of("data:best", tmp_path / "best") == "new"
    assert content_of("data:v0", tmp_path / "v0") == "old"


def test_the_same_content_is_the_same_version(wandb_server: WandbServer):
    first = log("same")
    log("other")
    stored = wandb_server.stored_bytes()
    again = log("same", ("back",))
    assert again.version == first.version == "v0"
    assert sorted(wandb.Api().artifact("p/data:v0").aliases) == ["back", "latest"]
    digest = hashlib.md5(b"same").hexdigest()
    uploads = [each.path for each in wandb_server.requests("files") if each.method == "PUT"]
    assert uploads.count(f"/blobs/{digest}") == 1
    assert wandb_server.stored_bytes() > stored  # the files of the third run


def test_bytes_that_the_server_has_are_not_uploaded_again(wandb_server: WandbServer):
    log("same", name="one")
    log("same", name="two")
    digest = hashlib.md5(b"same").hexdigest()
    uploads = [each.path for each in wandb_server.requests("files") if each.method == "PUT"]
    assert uploads.count(f"/blobs/{digest}") == 1
    assert wandb.Api().artifact("p/two:v0").digest == wandb.Api().artifact("p/one:v0").digest


def test_a_draft_of_the_next_version_uploads_only_what_is_new(
    wandb_server: WandbServer, tmp_path: Path
):
    log("kept")
    with wandb.init(project="p") as run:
        draft = run.use_artifact("data:latest").new_draft()
        with draft.new_file("b.txt") as file:
            file.write("added")
        before = len(wandb_server.requests("files"))
        run.log_artifact(draft).wait()
        uploads = [
            each.path
            for each in wandb_server.requests("files")[before:]
            if each.path.startswith("/blobs/")
        ]
    assert uploads == [f"/blobs/{hashlib.md5(b'added').hexdigest()}"]
    directory = Path(wandb.Api().artifact("p/data:v1").download(root=str(tmp_path / "v1")))
    assert (directory / "a.txt").read_text() == "kept"
    assert (directory / "b.txt").read_text() == "added"


@needs_xxh128
def test_bytes_may_have_another_digest_than_that_under_which_they_are_stored(
    wandb_server: WandbServer, tmp_path: Path
):
    stored = log("content", digest_algorithm="XXH128")
    (entry,) = stored.manifest.entries.values()
    assert base64.b64decode(entry.digest) == xxhash.xxh128(b"content").digest()
    assert wandb_server.has_bytes(hashlib.md5(b"content").hexdigest())
    assert content_of("data:v0", tmp_path / "here") == "content"
    read = wandb.Api().artifact("p/data:v0")
    read.verify(str(tmp_path / "here"))
    assert [file.digest for file in read.files()] == [entry.digest]

    assert log("content", digest_algorithm="XXH128").version == "v0"
    assert log("more", digest_algorithm="XXH128").version == "v1"


@needs_xxh128
@pytest.mark.parametrize("knows", ["entity", "collection"])
@pytest.mark.usefixtures("wandb_server")
def test_the_client_takes_md5_where_nothing_else_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, knows: str
):
    if knows == "entity":
        monkeypatch.setenv("WANDB_ENTITY", MD5_ENTITY)
    else:
        log("before")
    stored = log("content", digest_algorithm="XXH128")
    (entry,) = stored.manifest.entries.values()
    assert base64.b64decode(entry.digest) == hashlib.md5(b"content").digest()
    assert Path(stored.download(root=str(tmp_path)), "a.txt").read_text() == "content"


@pytest.mark.usefixtures("wandb_server")
def test_tables_and_images_survive():
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    with wandb.init(project="p") as run:
        table = wandb.Table(columns=["number", "image"])
        table.add_data(1, wandb.Image(pixels))
        artifact = wandb.Artifact("validation", type="dataset")
        artifact.add(table, "samples")
        run.log_artifact(artifact).wait()
        run.log({"predictions": table})
    with wandb.init(project="p") as run:
        read = run.use_artifact("validation:latest").get("samples")
    assert read.columns == ["number", "image"]
    assert read.data[0][0] == 1
    np.testing.assert_array_equal(np.asarray(read.data[0][1].image), pixels)


@pytest.mark.usefixtures("wandb_server")
def test_an_artifact_refers_to_media_of_another():
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    with wandb.init(project="p") as run:
        image = wandb.Image(pixels)
        source = wandb.Artifact("source", type="dataset")
        source.add(wandb.Table(columns=["image"], data=[[image]]), "images")
        run.log_artifact(source)
        target = wandb.Artifact("target", type="evaluation")
        target.add(wandb.Table(columns=["again"], data=[[image]]), "again")
        run.log_artifact(target).wait()
    with wandb.init(project="p") as run:
        read = run.use_artifact("target:latest").get("again")
    np.testing.assert_array_equal(np.asarray(read.data[0][0].image), pixels)


@pytest.mark.usefixtures("wandb_server")
def test_a_table_grows_over_a_run():
    with wandb.init(project="p") as run:
        table = wandb.Table(columns=["n"], log_mode="INCREMENTAL")
        for number in range(3):
            table.add_data(number)
            run.log({"grown": table})
    read = wandb.Api().run(f"p/{run.id}")
    assert len(read.logged_artifacts()) >= 1


def test_a_deleted_version_is_gone_with_its_bytes(wandb_server: WandbServer):
    log("first")
    log("second")
    digests = [hashlib.md5(content).hexdigest() for content in (b"first", b"second")]
    assert all(map(wandb_server.has_bytes, digests))
    wandb.Api().artifact("p/data:v0").delete()
    assert [wandb_server.has_bytes(digest) for digest in digests] == [False, True]
    with pytest.raises(wandb.errors.CommError):
        wandb.Api().artifact("p/data:v0")
    assert log("third").version == "v2"


@pytest.mark.usefixtures("wandb_server")
def test_a_version_with_aliases_is_deleted_only_with_them():
    log("first", ("best",))
    with pytest.raises(wandb.errors.CommError, match="aliases"):
        wandb.Api().artifact("p/data:v0").delete()
    wandb.Api().artifact("p/data:v0").delete(delete_aliases=True)
    with pytest.raises(wandb.errors.CommError):
        wandb.Api().artifact("p/data:best")


@pytest.mark.usefixtures("wandb_server")
def test_a_version_is_changed_from_outside():
    log("first", ("old",))
    artifact = wandb.Api().artifact("p/data:v0")
    artifact.aliases = ["new", "latest"]
    artifact.tags = ["seen"]
    artifact.description = "now described"
    artifact.metadata["rows"] = 3
    artifact.save()
    read = wandb.Api().artifact("p/data:v0")
    assert sorted(read.aliases) == ["latest", "new"]
    assert (read.tags, read.description, read.metadata) == (["seen"], "now described", {"rows": 3})


@pytest.mark.usefixtures("wandb_server")
def test_the_time_to_live_is_kept():
    artifact = wandb.Artifact("data", type="dataset")
    with artifact.new_file("a.txt") as file:
        file.write("short-lived")
    artifact.ttl = timedelta(days=1)
    with wandb.init(project="p") as run:
        run.log_artifact(artifact).wait()
    read = wandb.Api().artifact("p/data:v0")
    assert read.ttl == timedelta(days=1)
    read.ttl = None
    read.save()
    assert wandb.Api().artifact("p/data:v0").ttl is None
    assert log("for ever", name="other").ttl is None


@pytest.mark.usefixtures("wandb_server")
def test_artifacts_are_found_by_type_and_collection():
    log("one")
    log("two")
    log("three", name="more")
    api = wandb.Api()
    assert [each.name for each in api.artifact_types("p")] == ["dataset"]
    collections = {each.name: each for each in api.artifact_type("dataset", "p").collections()}
    assert set(collections) == {"data", "more"}
    assert [each.version for each in api.artifacts("dataset", "p/data")] == ["v1", "v0"]
    assert collections["data"].aliases == ["latest"]
    assert api.artifact_exists("p/data:v1")
    assert not api.artifact_exists("p/data:v2")
    collections["data"].delete()
    assert not api.artifact_collection_exists("p/data", "dataset")


@pytest.mark.usefixtures("wandb_server")
def test_a_collection_keeps_its_type():
    log("one")
    other = wandb.Artifact("data", type="model")
    with other.new_file("a.txt") as file:
        file.write("two")
    with wandb.init(project="p") as run, pytest.raises(ValueError, match="already exists"):
        run.log_artifact(other)


def test_a_reference_is_kept_without_its_bytes(wandb_server: WandbServer, tmp_path: Path):
    target = tmp_path / "elsewhere.txt"
    target.write_text("not uploaded")
    artifact = wandb.Artifact("data", type="dataset")
    artifact.add_reference(target.as_uri(), name="link.txt")
    with wandb.init(project="p") as run:
        run.log_artifact(artifact).wait()
    assert not wandb_server.has_bytes(hashlib.md5(b"not uploaded").hexdigest())
    entry = wandb.Api().artifact("p/data:v0").get_entry("link.txt")
    assert entry.ref == target.as_uri()
