"""Collections of artifacts: versions in sequence, the aliases among them, and their types."""

from dataclasses import dataclass
from typing import Any, ClassVar

from wandb_loopback.artifacts.artifacts import Artifact, ArtifactAlias
from wandb_loopback.errors import GapError
from wandb_loopback.graphql.connections import Connection
from wandb_loopback.graphql.fields import field
from wandb_loopback.graphql.filters import matches, ordered
from wandb_loopback.runs.projects import Project
from wandb_loopback.store.store import Record, Store, global_id, number_of


@dataclass(frozen=True)
class ArtifactSequence(Record):
    """A collection: the versions of one artifact."""

    table: ClassVar[str] = "artifact_sequence"

    project_number: int
    name: str
    type_name: str
    created_at: str
    digest_algorithm: str
    next_version: int

    description: ClassVar[None] = None
    updated_at: ClassVar[None] = None
    state: ClassVar[str] = "READY"
    tags: ClassVar[Connection] = Connection([])

    @property
    def project(self) -> Project:
        """Where it belongs."""
        return self.store.get(Project, self.project_number)

    @property
    def default_artifact_type(self) -> "ArtifactType":
        """The type of all its versions."""
        return ArtifactType(self.project, self.type_name)

    @property
    def latest_artifact(self) -> Artifact | None:
        """The version that `latest` stands for."""
        return self.find("latest")

    def versions(self) -> list[Artifact]:
        """The committed versions, in the order of their creation."""
        return self.store.all(Artifact, "sequence_number = ? AND state = 'COMMITTED'", self.number)

    def find(self, alias: str) -> Artifact | None:
        """The version that an alias, the name of a version or a digest stands for."""
        named = self.store.first(
            ArtifactAlias, "sequence_number = ? AND alias = ?", self.number, alias
        )
        if named is not None:
            return self.store.get(Artifact, named.artifact_number)
        names = ((f"v{each.version_index}", each.digest) for each in self.versions())
        found = (each for each, own in zip(self.versions(), names, strict=True) if alias in own)
        return next(found, None)

    def point(self, alias: str, artifact: Artifact) -> None:
        """Move an alias to a version."""
        self.store.execute(
            "INSERT INTO alias (sequence_number, artifact_number, alias) VALUES (?, ?, ?)"
            " ON CONFLICT (sequence_number, alias)"
            " DO UPDATE SET artifact_number = excluded.artifact_number",
            self.number,
            artifact.number,
            alias,
        )

    def aliases(self, first: int | None = None, after: str | None = None) -> Connection:
        """The aliases of all its versions."""
        found = self.store.all(ArtifactAlias, "sequence_number = ?", self.number)
        return Connection(found, first, after)

    def artifact_membership(self, alias_name: str) -> "ArtifactCollectionMembership | None":
        """The version that an alias stands for, as a member of this collection."""
        found = self.find(alias_name)
        return None if found is None else ArtifactCollectionMembership(found)

    def artifacts(
        self,
        first: int | None = None,
        after: str | None = None,
        order: str | None = None,
        filters: str | None = None,
    ) -> Connection:
        """The versions that match a filter, newest first unless an order is given."""
        found = [each for each in self.versions() if matches(each.value, filters)]
        return Connection(ordered(found, Artifact.value, order or "-createdAt"), first, after)


@dataclass(frozen=True)
class ArtifactType:
    """A type of artifacts, which exists as soon as a collection has it."""

    project: Project
    name: str

    description: ClassVar[None] = None

    @property
    def id(self) -> str:
        """Its identifier."""
        return global_id("ArtifactType", self.name)

    @property
    def created_at(self) -> str:
        """When the first collection of this type came to be."""
        return self.sequences()[0].created_at

    def sequences(self) -> list[ArtifactSequence]:
        """The collections of this type."""
        return [each for each in sequences(self.project) if each.type_name == self.name]

    def artifact_collection(self, name: str) -> ArtifactSequence | None:
        """The collection with a name, if it is of this type."""
        return next((each for each in self.sequences() if each.name == name), None)

    def artifact_collections(self, **page: Any) -> Connection:
        """The collections of this type."""
        return page_of(self.sequences(), **page)


@dataclass(frozen=True)
class ArtifactCollectionMembership:
    """A version as a member of a collection: always its own, since nothing is linked here."""

    artifact: Artifact

    @property
    def id(self) -> str:
        """Its identifier."""
        return global_id("ArtifactCollectionMembership", self.artifact.number)

    @property
    def version_index(self) -> int | None:
        """Its number in the collection."""
        return self.artifact.version_index

    @property
    def created_at(self) -> str:
        """When it became a member."""
        return self.artifact.created_at

    @property
    def aliases(self) -> list[ArtifactAlias]:
        """The names that stand for it in the collection."""
        return self.artifact.aliases

    @property
    def artifact_collection(self) -> ArtifactSequence:
        """The collection."""
        return artifact_sequence(self.artifact)

    def files(self, **page: Any) -> Connection:
        """The files of the version."""
        return self.artifact.files(**page)


def sequences(project: Project) -> list[ArtifactSequence]:
    """All collections of a project."""
    return project.store.all(ArtifactSequence, "project_number = ?", project.number)


def page_of(
    found: list[ArtifactSequence],
    first: int | None = None,
    after: str | None = None,
    filters: str | None = None,
    order: str | None = None,
) -> Connection:
    """A page of collections; the client never asked for a filter or an order so far."""
    if (filters or "{}") != "{}" or order:
        raise GapError("filter or order of collections")
    return Connection(found, first, after)


@field("Artifact")
def artifact_sequence(artifact: Artifact) -> ArtifactSequence:
    """The collection that an artifact is a version of."""
    return artifact.store.get(ArtifactSequence, artifact.sequence_number)


@field("Artifact")
def artifact_type(artifact: Artifact) -> ArtifactType:
    """The type, which all versions of a collection share."""
    return artifact_sequence(artifact).default_artifact_type


@field("Artifact")
def artifact_memberships(artifact: Artifact) -> Connection:
    """The collections that a version is in."""
    return Connection([ArtifactCollectionMembership(artifact)])


@field("ArtifactAlias")
def artifact_collection(alias: ArtifactAlias) -> ArtifactSequence:
    """The collection in which an alias means something."""
    return alias.store.get(ArtifactSequence, alias.sequence_number)


@field("Query", "artifact_collection")
def collection_by_identifier(store: Store, identifier: str) -> ArtifactSequence | None:
    """The collection with an identifier."""
    return store.first(ArtifactSequence, "number = ?", number_of(identifier, "ArtifactSequence"))
