"""How a project finds its artifacts: by collection, by type and by alias."""

from typing import Any

from wandb_loopback.artifacts.artifacts import Artifact
from wandb_loopback.artifacts.sequences import (
    ArtifactCollectionMembership,
    ArtifactSequence,
    ArtifactType,
    page_of,
    sequences,
)
from wandb_loopback.graphql.connections import Connection
from wandb_loopback.graphql.fields import field
from wandb_loopback.runs.projects import Project


@field("Project")
def artifact_collections(project: Project, **page: Any) -> Connection:
    """The collections of a project."""
    return page_of(sequences(project), **page)


@field("Project")
def artifact_types(
    project: Project, first: int | None = None, after: str | None = None
) -> Connection:
    """The types of a project's collections."""
    names = sorted({each.type_name for each in sequences(project)})
    return Connection([ArtifactType(project, name) for name in names], first, after)


@field("Project")
def artifact_type(project: Project, name: str) -> ArtifactType | None:
    """The type with a name."""
    found = ArtifactType(project, name)
    return found if found.sequences() else None


@field("Project")
def artifact_collection_membership(
    project: Project, name: str
) -> ArtifactCollectionMembership | None:
    """What `collection:alias` stands for; without an alias, the latest version."""
    collection, _, alias = name.partition(":")
    sequence = artifact_collection(project, collection)
    return None if sequence is None else sequence.artifact_membership(alias or "latest")


@field("Project")
def artifact(project: Project, name: str) -> Artifact | None:
    """The version that `collection:alias` stands for."""
    membership = artifact_collection_membership(project, name)
    return None if membership is None else membership.artifact


@field("Project")
def artifact_collection(project: Project, name: str) -> ArtifactSequence | None:
    """The collection of a project with a name."""
    return next((each for each in sequences(project) if each.name == name), None)
