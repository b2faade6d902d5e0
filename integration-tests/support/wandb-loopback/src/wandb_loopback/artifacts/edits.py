"""Changes to versions of artifacts that are there: aliases, tags, description, deletion."""

from typing import Any

from wandb_loopback.artifacts.artifacts import Artifact
from wandb_loopback.artifacts.sequences import ArtifactSequence, artifact_sequence
from wandb_loopback.artifacts.uploads import add_tags
from wandb_loopback.errors import RefusalError
from wandb_loopback.graphql.fields import DONE, field
from wandb_loopback.store.store import Store, now


@field("Mutation")
def update_artifact(store: Store, values: dict[str, Any]) -> dict[str, Any]:
    """Change what a version says about itself; what is left out, or null, stays as it is."""
    artifact = store.by_id(Artifact, values["artifactID"])
    columns = {"description": "description", "metadata": "metadata", "ttlDurationSeconds": "ttl"}
    changes = {columns[key]: values[key] for key in columns if values.get(key) is not None}
    for each in values.get("aliases") or []:
        artifact_sequence(artifact).point(each["alias"], artifact)
    add_tags(artifact, values.get("tagsToAdd"))
    for tag in values.get("tagsToDelete") or []:
        store.execute(
            "DELETE FROM tag WHERE artifact_number = ? AND name = ?",
            artifact.number,
            tag["tagName"],
        )
    return {"artifact": artifact.change(updated_at=now(), **changes)}


@field("Mutation")
def add_aliases(store: Store, values: dict[str, Any]) -> dict[str, Any]:
    """Move aliases to a version."""
    artifact = store.by_id(Artifact, values["artifactID"])
    for each in values["aliases"]:
        artifact_sequence(artifact).point(each["alias"], artifact)
    return DONE


@field("Mutation")
def delete_aliases(store: Store, values: dict[str, Any]) -> dict[str, Any]:
    """Remove aliases from a version; an alias of another version stays."""
    artifact = store.by_id(Artifact, values["artifactID"])
    for each in values["aliases"]:
        store.execute(
            "DELETE FROM alias WHERE artifact_number = ? AND alias = ?",
            artifact.number,
            each["alias"],
        )
    return DONE


@field("Mutation")
def delete_artifact(store: Store, values: dict[str, Any]) -> dict[str, Any]:
    """Delete a version, its aliases if told so, and the bytes that no other version holds."""
    artifact = store.by_id(Artifact, values["artifactID"])
    if artifact.aliases and not values.get("deleteAliases"):
        names = ", ".join(each.alias for each in artifact.aliases)
        raise RefusalError(f"cannot delete an artifact that has aliases: {names}", status=409)
    sequence = artifact_sequence(artifact)
    answer = {"id": artifact.id, "state": "DELETED", "artifact_sequence": sequence}
    store.execute("DELETE FROM artifact WHERE number = ?", artifact.number)
    store.sweep()
    return {"artifact": answer}


@field("Mutation")
def delete_artifact_sequence(store: Store, values: dict[str, Any]) -> dict[str, Any]:
    """Delete a collection with all its versions."""
    sequence = store.by_id(ArtifactSequence, values["artifactSequenceID"])
    store.execute("DELETE FROM artifact_sequence WHERE number = ?", sequence.number)
    store.sweep()
    return {"artifact_collection": sequence}
