"""The commit of a version of an artifact, at which nothing is taken on trust.

Bytes have been checked against their digest as they arrived; the manifest is checked here, against
the digest that the client announced for the version and against the bytes that are really there.
"""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import xxhash

from wandb_loopback.artifacts.artifacts import Artifact, ArtifactManifest
from wandb_loopback.artifacts.sequences import artifact_sequence
from wandb_loopback.errors import RefusalError
from wandb_loopback.graphql.fields import field
from wandb_loopback.store.store import Store, hex_of

_DIGESTS: dict[str, Callable[[bytes], Any]] = {
    "MANIFEST_MD5": hashlib.md5,
    "MANIFEST_XXH128": xxhash.xxh128,
}


def receive_manifest(manifest: ArtifactManifest, content: bytes) -> None:
    """Store the file of a manifest."""
    if hashlib.md5(content).hexdigest() != hex_of(manifest.digest):
        raise RefusalError("the manifest does not have the digest that was announced", status=400)
    manifest.change(blob=manifest.store.blobs.add(content))


@field("Mutation")
def commit_artifact(store: Store, values: dict[str, Any]) -> dict[str, Any]:
    """Check a version and give it its number; to repeat this changes nothing."""
    artifact = store.by_id(Artifact, values["artifactID"])
    if artifact.state == "COMMITTED":
        return {"artifact": artifact}
    manifest = artifact.current_manifest
    if manifest is None or manifest.blob is None:
        raise RefusalError("commit of an artifact without a manifest", status=400)
    contents = _contents(store, artifact, manifest)
    _fill(artifact, contents)
    sequence = artifact_sequence(artifact)
    committed = artifact.change(state="COMMITTED", version_index=sequence.next_version)
    sequence.change(next_version=sequence.next_version + 1)
    for alias in json.loads(artifact.wanted_aliases):
        sequence.point(alias, committed)
    return {"artifact": committed}


def _contents(store: Store, artifact: Artifact, manifest: ArtifactManifest) -> dict[str, Any]:
    """What a manifest lists, over what its base holds if it only lists what is new."""
    parsed = _parse(store, manifest)
    listed: dict[str, Any] = parsed["contents"]
    text = "".join(f"{name}:{listed[name]['digest']}\n" for name in sorted(listed))
    digest_of = _DIGESTS[artifact.digest_algorithm]
    digest = digest_of(f"wandb-artifact-manifest-v1\n{text}".encode()).hexdigest()
    if digest != artifact.digest:
        raise RefusalError("the manifest does not have the artifact's digest", status=400)
    if manifest.type == "FULL" or manifest.base_number is None:
        return listed
    base = store.get(Artifact, manifest.base_number).current_manifest
    if base is None:
        raise RefusalError("the base of the manifest has none", status=400)
    merged = parsed | {"contents": _parse(store, base)["contents"] | listed}
    manifest.change(blob=store.blobs.add(json.dumps(merged).encode()))
    contents: dict[str, Any] = merged["contents"]
    return contents


def _parse(store: Store, manifest: ArtifactManifest) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(store.blobs.path(manifest.blob or "").read_bytes())
    return parsed


def _fill(artifact: Artifact, contents: dict[str, Any]) -> None:
    """Take the files of a version from its manifest, if their bytes are really here."""
    store = artifact.store
    blobs = {name: _blob(store, entry) for name, entry in contents.items()}
    store.execute("DELETE FROM entry WHERE artifact_number = ?", artifact.number)
    for name, entry in contents.items():
        size, blob = entry.get("size", 0), blobs[name]
        if blob is not None:
            _check_bytes(store, blob, name, entry)
        store.execute(
            "INSERT INTO entry (artifact_number, name, digest, size, blob) VALUES (?, ?, ?, ?, ?)",
            artifact.number,
            name,
            entry["digest"],
            size,
            blob,
        )


def _blob(store: Store, entry: dict[str, Any]) -> str | None:
    """Where the bytes of an entry are, or belong; None for a mere reference."""
    digest: str = entry["digest"]
    if entry.get("ref"):
        return None
    if not _has_xxh128(entry):
        return hex_of(digest)
    announced = store.execute("SELECT blob FROM entry WHERE digest = ? AND blob NOT NULL", digest)
    if not announced:
        raise RefusalError(f"no client announced bytes with the digest {digest}", status=400)
    blob: str = announced[0]["blob"]
    return blob


def _check_bytes(store: Store, blob: str, name: str, entry: dict[str, Any]) -> None:
    stored, size = store.blobs.size(blob), entry.get("size", 0)
    if stored != size:
        raise RefusalError(f"{name!r} has {stored} bytes here, {size} in the manifest", 400)
    if _has_xxh128(entry):
        digest = xxhash.xxh128(store.blobs.path(blob).read_bytes()).hexdigest()
        if digest != hex_of(entry["digest"]):
            raise RefusalError(f"{name!r} does not have the digest in the manifest", 400)


def _has_xxh128(entry: dict[str, Any]) -> bool:
    algorithm = entry.get("extra", {}).get("alg", "MD5")
    if algorithm not in ("MD5", "XXH128"):
        raise RefusalError(f"no such digests: {algorithm!r}", status=400)
    return bool(algorithm == "XXH128")
