"""The files of a run: media, console output, metadata and what the user saves."""

import fnmatch
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote

from wandb_loopback.graphql.connections import Connection
from wandb_loopback.graphql.fields import DONE, field
from wandb_loopback.runs.runs import Run, find_run
from wandb_loopback.store.store import Record, Store, base64_of, now


@dataclass(frozen=True)
class File:
    """A file as GraphQL sees it, whether of a run or of an artifact.

    Args:
        id: Its identifier.
        name: Its name, with slashes.
        direct_url: Where its bytes are.
        md5: The MD5 digest of its bytes, in base64.
        digest: The digest under which the client knows them.
        size_bytes: How many there are.
        updated_at: When they were stored.
        upload_url: Where to put its bytes, or None if the server has them.
        upload_headers: What to send along, each as `name:value`.
        storage_path: Under what name the bytes are stored.
        artifact: The artifact that it belongs to, if any.
    """

    id: str
    name: str
    direct_url: str
    md5: str | None = None
    digest: str | None = None
    size_bytes: int = 0
    updated_at: str = ""
    upload_url: str | None = None
    upload_headers: tuple[str, ...] = ()
    storage_path: str | None = None
    artifact: Any = None

    mimetype: ClassVar[str] = ""
    upload_multipart_urls: ClassVar[None] = None

    @property
    def display_name(self) -> str:
        """The name to show."""
        return self.name

    def url(self, upload: bool = False) -> str:
        """Where the bytes are, or where to put them."""
        return (upload and self.upload_url) or self.direct_url


@dataclass(frozen=True)
class RunFile(Record):
    """A file of a run that has been uploaded."""

    table: ClassVar[str] = "run_file"

    run_number: int
    name: str
    blob: str
    updated_at: str


def save(run: Run, name: str, content: bytes) -> None:
    """Store a file of a run, in place of an older one of that name."""
    store = run.store
    blob = store.blobs.add(content)
    existing = store.first(RunFile, "run_number = ? AND name = ?", run.number, name)
    if existing is None:
        store.add(RunFile, run_number=run.number, name=name, blob=blob, updated_at=now())
    else:
        existing.change(blob=blob, updated_at=now())


def blob_of(run: Run, name: str) -> str | None:
    """The digest of a file of a run, or None if it was never uploaded."""
    found = run.store.first(RunFile, "run_number = ? AND name = ?", run.number, name)
    return None if found is None else found.blob


@field("Run")
def file_count(run: Run) -> int:
    """The number of files."""
    return files(run).total_count


@field("Run")
def files(
    run: Run,
    names: list[str] | None = None,
    pattern: str | None = None,
    first: int | None = None,
    after: str | None = None,
) -> Connection:
    """The files of a run.

    Args:
        run: The run.
        names: Only these. Defaults to all, and so does an empty list.
        pattern: Only those of such names, where `%` stands for anything.
        first: The size of a page.
        after: Where the page begins.
    """
    stored = run.store.all(RunFile, "run_number = ?", run.number)
    found = [
        _describe(run, each)
        for each in stored
        if (not names or each.name in names)
        and (not pattern or fnmatch.fnmatchcase(each.name, pattern.replace("%", "*")))
    ]
    return Connection(sorted(found, key=lambda file: file.name), first, after)


def _describe(run: Run, file: RunFile) -> File:
    return File(
        id=file.id,
        name=file.name,
        direct_url=_url(run, file.name),
        md5=base64_of(file.blob),
        digest=base64_of(file.blob),
        size_bytes=run.store.blobs.size(file.blob) or 0,
        updated_at=file.updated_at,
        upload_url=_url(run, file.name),
        storage_path=file.name,
    )


def _url(run: Run, name: str) -> str:
    project = run.project
    path = "/".join([project.entity_name, project.name, run.name, name])
    return f"{run.store.url}/files/{quote(path)}"


@field("Mutation")
def create_run_files(store: Store, values: dict[str, Any]) -> dict[str, Any]:
    """Say where the files of a run are to be put."""
    run = find_run(store, values["entityName"], values["projectName"], values["runName"])
    announced = [
        File(
            id=f"{run.id}/{name}", name=name, direct_url=_url(run, name), upload_url=_url(run, name)
        )
        for name in values["files"]
    ]
    return {"run_id": run.id, "upload_headers": [], "files": announced}


@field("Mutation")
def delete_files(store: Store, values: dict[str, Any]) -> dict[str, Any]:
    """Forget files of runs."""
    for identifier in values["files"]:
        file = store.by_id(RunFile, identifier)
        store.execute("DELETE FROM run_file WHERE number = ?", file.number)
    store.sweep()
    return DONE
