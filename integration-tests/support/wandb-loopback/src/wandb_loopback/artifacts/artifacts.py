"""Versions of artifacts, as they are read: what they are, what they hold, who made and uses them.

Their collections are in sequences.py; uploads.py creates versions.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, ClassVar

from wandb_loopback.errors import GapError
from wandb_loopback.graphql.connections import Connection
from wandb_loopback.graphql.fields import field
from wandb_loopback.runs.run_files import File
from wandb_loopback.runs.runs import Run
from wandb_loopback.store.store import Record, Store, base64_of, global_id, number_of

TTL_INHERITED = -1
TTL_OFF = -2


@dataclass(frozen=True)
class Tag:
    """A tag of a version."""

    name: str

    @property
    def id(self) -> str:
        """Its identifier."""
        return global_id("Tag", self.name)


@dataclass(frozen=True)
class ArtifactAlias(Record):
    """A name that stands for one version of a collection, and may move to another."""

    table: ClassVar[str] = "alias"

    sequence_number: int
    artifact_number: int
    alias: str


@dataclass(frozen=True)
class ArtifactManifest(Record):
    """What the client says an artifact holds: a JSON file that is uploaded like any other."""

    table: ClassVar[str] = "manifest"

    artifact_number: int
    type: str
    base_number: int | None
    digest: str
    blob: str | None

    @property
    def file(self) -> File:
        """Where the manifest is, and where it is to be put."""
        url = f"{self.store.url}/manifests/{self.number}"
        return File(
            id=global_id("File", self.id),
            name="wandb_manifest.json",
            direct_url=url,
            upload_url=url,
        )


@dataclass(frozen=True)
class Artifact(Record):
    """One version of a collection, pending until it is committed."""

    table: ClassVar[str] = "artifact"

    sequence_number: int
    creator_number: int | None
    version_index: int | None
    state: str
    digest: str
    digest_algorithm: str
    description: str | None
    metadata: str | None
    wanted_aliases: str
    ttl: int
    history_step: int | None
    created_at: str
    updated_at: str | None

    @property
    def commit_hash(self) -> str:
        """A name for the version that no other has."""
        return hashlib.md5(self.id.encode()).hexdigest()[:20]

    @property
    def aliases(self) -> list[ArtifactAlias]:
        """The names that stand for it now."""
        return self.store.all(ArtifactAlias, "artifact_number = ?", self.number)

    @property
    def tags(self) -> list[Tag]:
        """Its tags."""
        rows = self.store.execute("SELECT name FROM tag WHERE artifact_number = ?", self.number)
        return [Tag(row["name"]) for row in rows]

    @property
    def ttl_duration_seconds(self) -> int:
        """How long it is to be kept, or that it has no limit; there is none to inherit."""
        return TTL_OFF if self.ttl == TTL_INHERITED else self.ttl

    @property
    def ttl_is_inherited(self) -> bool:
        """Whether the client did not say how long to keep it."""
        return self.ttl == TTL_INHERITED

    @property
    def size(self) -> int:
        """The bytes of all its files, and of what it refers to elsewhere."""
        return sum(entry["size"] for entry in self.entries())

    @property
    def file_count(self) -> int:
        """The number of its files."""
        return len(self.entries())

    @property
    def current_manifest(self) -> ArtifactManifest | None:
        """The manifest, if the client has named one."""
        return self.store.first(ArtifactManifest, "artifact_number = ?", self.number)

    def entries(self) -> list[Any]:
        """The rows of its files, by name."""
        return self.store.execute(
            "SELECT * FROM entry WHERE artifact_number = ? ORDER BY name", self.number
        )

    def files(
        self, names: list[str] | None = None, first: int | None = None, after: str | None = None
    ) -> Connection:
        """Its files, without what it only refers to."""
        found = [
            self._describe(entry)
            for entry in self.entries()
            if entry["blob"] and (not names or entry["name"] in names)
        ]
        return Connection(found, first, after)

    def _describe(self, entry: Any) -> File:
        return File(
            id=global_id("File", f"{self.number}/{entry['name']}"),
            name=entry["name"],
            direct_url=f"{self.store.url}/blobs/{entry['blob']}",
            md5=base64_of(entry["blob"]),
            digest=entry["digest"],
            size_bytes=entry["size"],
            updated_at=self.created_at,
            storage_path=entry["blob"],
        )

    @property
    def created_by(self) -> Run | None:
        """The run that logged it first."""
        return self.store.first(Run, "number = ?", self.creator_number)

    @property
    def used_by(self) -> Connection:
        """The runs that took it as an input."""
        return Connection(
            self.store.all(
                Run,
                "number IN (SELECT run_number FROM run_artifact"
                " WHERE artifact_number = ? AND role = 'input')",
                self.number,
            )
        )

    def value(self, key: str) -> Any:
        """What filters and orders mean by a key."""
        fields = {"state": self.state, "versionIndex": self.version_index, "digest": self.digest}
        fields |= {"createdAt": self.number, "created_at": self.number}
        if key == "tags":
            return [tag.name for tag in self.tags]
        if key.startswith("metadata."):
            return json.loads(self.metadata or "{}").get(key.removeprefix("metadata."))
        if key not in fields:
            raise GapError(f"filter or order of artifacts by {key}")
        return fields[key]


@field("Query")
def artifact(store: Store, identifier: str) -> Artifact | None:
    """The version with an identifier; a deleted one is not found."""
    return store.first(Artifact, "number = ?", number_of(identifier, "Artifact"))


@field("Query")
def client_id_mapping(store: Store, client_id: str) -> dict[str, str] | None:
    """The version that a client knew by an identifier of its own before it was uploaded."""
    found = store.first(
        Artifact,
        "number = (SELECT artifact_number FROM client_id WHERE client_id = ?)",
        client_id,
    )
    return None if found is None else {"server_id": found.id}


@field("Run")
def input_artifacts(run: Run, first: int | None = None, after: str | None = None) -> Connection:
    """What the run uses."""
    return Connection(_linked(run, "input"), first, after)


@field("Run")
def output_artifacts(run: Run, first: int | None = None, after: str | None = None) -> Connection:
    """What the run has logged."""
    return Connection(_linked(run, "output"), first, after)


def _linked(run: Run, role: str) -> list[Artifact]:
    return run.store.all(
        Artifact,
        "state = 'COMMITTED' AND number IN"
        " (SELECT artifact_number FROM run_artifact WHERE run_number = ? AND role = ?)",
        run.number,
        role,
    )
