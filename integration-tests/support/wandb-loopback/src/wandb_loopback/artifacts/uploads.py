"""How a version of an artifact is made, up to its commit.

The client creates the version, announces its manifest and its files, uploads what the server
does not have, and commits, which is in commits.py.
"""

import json
from typing import Any

from wandb_loopback.artifacts.artifacts import TTL_INHERITED, Artifact, ArtifactManifest
from wandb_loopback.artifacts.lookups import artifact_collection
from wandb_loopback.artifacts.sequences import ArtifactSequence
from wandb_loopback.errors import GapError, RefusalError
from wandb_loopback.graphql.connections import Connection
from wandb_loopback.graphql.fields import field
from wandb_loopback.runs.projects import open_project, project
from wandb_loopback.runs.run_files import File
from wandb_loopback.runs.runs import Run, find_run, run
from wandb_loopback.store.store import Store, hex_of, now


@field("Mutation")
def create_artifact(store: Store, values: dict[str, Any]) -> dict[str, Any]:
    """Begin a version, or find the one that already holds the same.

    A committed version in the answer tells the client that there is nothing to upload, so
    deduplication is the server's doing.
    """
    if values.get("distributedID"):
        raise GapError("distributed artifacts")
    sequence = _open_sequence(store, values)
    artifact = _same(sequence, values) or _new_version(sequence, values)
    creator = _creator(store, values)
    if creator is not None:
        _link(creator, artifact, "output")
        if artifact.creator_number is None:
            artifact = artifact.change(creator_number=creator.number)
    if values.get("clientID"):
        store.execute(
            "INSERT OR REPLACE INTO client_id VALUES (?, ?)", values["clientID"], artifact.number
        )
    return {"artifact": artifact}


def _open_sequence(store: Store, values: dict[str, Any]) -> ArtifactSequence:
    owner = open_project(store, values.get("entityName"), values["projectName"])
    # `wandb sync` names the collection in a list up to wandb 0.27.
    names = values.get("artifactCollectionNames") or [values.get("artifactCollectionName")]
    if len(names) != 1 or not names[0]:
        raise GapError("an artifact that goes to several collections, or to none")
    (name,) = names
    found = artifact_collection(owner, name) or store.add(
        ArtifactSequence,
        project_number=owner.number,
        name=name,
        type_name=values["artifactTypeName"],
        created_at=now(),
        digest_algorithm=_algorithm(values),
    )
    if found.type_name != values["artifactTypeName"]:
        raise RefusalError(f"collection {name!r} is of type {found.type_name!r}", status=409)
    return found


def _same(sequence: ArtifactSequence, values: dict[str, Any]) -> Artifact | None:
    if not values.get("enableDigestDeduplication"):
        return None
    versions = reversed(sequence.versions())
    found = next((each for each in versions if each.digest == values["digest"]), None)
    if found is not None:
        for each in values.get("aliases") or []:
            sequence.point(each["alias"], found)
    return found


def _new_version(sequence: ArtifactSequence, values: dict[str, Any]) -> Artifact:
    ttl = values.get("ttlDurationSeconds")
    artifact = sequence.store.add(
        Artifact,
        sequence_number=sequence.number,
        digest=values["digest"],
        digest_algorithm=_algorithm(values),
        description=values.get("description"),
        metadata=values.get("metadata"),
        wanted_aliases=json.dumps([each["alias"] for each in values.get("aliases") or []]),
        ttl=TTL_INHERITED if ttl is None else ttl,
        history_step=values.get("historyStep"),
        created_at=now(),
    )
    add_tags(artifact, values.get("tags"))
    return artifact


def _algorithm(values: dict[str, Any]) -> str:
    algorithm: str = values.get("digestAlgorithm") or "MANIFEST_MD5"
    return algorithm


def _creator(store: Store, values: dict[str, Any]) -> Run | None:
    owner = project(store, values["projectName"], values.get("entityName"))
    return None if owner is None else run(owner, values.get("runName") or "")


def _link(run: Run, artifact: Artifact, role: str) -> None:
    run.store.execute(
        "INSERT OR IGNORE INTO run_artifact VALUES (?, ?, ?)", run.number, artifact.number, role
    )


def add_tags(artifact: Artifact, tags: list[dict[str, str]] | None) -> None:
    """Tag a version."""
    for tag in tags or []:
        artifact.store.execute(
            "INSERT OR IGNORE INTO tag VALUES (?, ?)", artifact.number, tag["tagName"]
        )


@field("Mutation")
def create_artifact_manifest(store: Store, values: dict[str, Any]) -> dict[str, Any]:
    """Announce the manifest of a version, or announce it again once its digest is known."""
    artifact = store.by_id(Artifact, values["artifactID"])
    base = values.get("baseArtifactID")
    values = {
        "type": values["type"],
        "digest": values["digest"],
        "base_number": store.by_id(Artifact, base).number if base else None,
    }
    found = artifact.current_manifest
    if found is None:
        manifest = store.add(ArtifactManifest, artifact_number=artifact.number, **values)
    else:
        manifest = found.change(**values)
    return {"artifact_manifest": manifest}


@field("Mutation")
def update_artifact_manifest(store: Store, values: dict[str, Any]) -> dict[str, Any]:
    """Announce another digest of a manifest."""
    manifest = store.by_id(ArtifactManifest, values["artifactManifestID"])
    changes: dict[str, Any] = {}
    if values.get("digest"):
        changes["digest"] = values["digest"]
    if values.get("baseArtifactID"):
        changes["base_number"] = store.by_id(Artifact, values["baseArtifactID"]).number
    return {"artifact_manifest": manifest.change(**changes) if changes else manifest}


@field("Mutation")
def create_artifact_files(store: Store, values: dict[str, Any]) -> dict[str, Any]:
    """Say, in the same order, where each file is to be put; nowhere, if its bytes are here."""
    return {"files": Connection([_announce(store, spec) for spec in values["artifactFiles"]])}


def _announce(store: Store, spec: dict[str, Any]) -> File:
    if spec.get("uploadPartsInput"):
        raise GapError("uploads in several parts")
    artifact = store.by_id(Artifact, spec["artifactID"])
    blob = hex_of(spec["md5"])
    url = f"{store.url}/blobs/{blob}"
    store.execute(
        "INSERT OR REPLACE INTO entry (artifact_number, name, digest, size, blob)"
        " VALUES (?, ?, ?, 0, ?)",
        artifact.number,
        spec["name"],
        spec.get("digest") or spec["md5"],
        blob,
    )
    return File(
        id=f"{artifact.id}/{spec['name']}",
        name=spec["name"],
        direct_url=url,
        upload_url=None if store.blobs.size(blob) is not None else url,
        upload_headers=(f"Content-Md5:{spec['md5']}",),
        storage_path=blob,
        artifact=artifact,
    )


@field("Mutation")
def use_artifact(store: Store, values: dict[str, Any]) -> dict[str, Any]:
    """Record that a run uses a version."""
    artifact = store.by_id(Artifact, values["artifactID"])
    user = find_run(store, values["entityName"], values["projectName"], values["runName"])
    _link(user, artifact, "input")
    return {"artifact": artifact}
