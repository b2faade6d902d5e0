"""What is checked when a version is committed; the real client never gets any of it wrong."""

import base64
import hashlib
import json
from typing import Any

import httpx
import pytest
import xxhash

from wandb_loopback import WandbServer

pytestmark = pytest.mark.backend_free

CONTENT = b"content"
DIGEST = base64.b64encode(hashlib.md5(CONTENT).digest()).decode()

CREATE = """
mutation Create($input: CreateArtifactInput!) {
    createArtifact(input: $input) { artifact { id } }
}
"""
ANNOUNCE = """
mutation Announce($input: CreateArtifactManifestInput!) {
    createArtifactManifest(input: $input) { artifactManifest { file { uploadUrl } } }
}
"""
ANNOUNCE_FILE = """
mutation AnnounceFile($input: CreateArtifactFilesInput!) {
    createArtifactFiles(input: $input) { files { edges { node { uploadUrl } } } }
}
"""
COMMIT = """
mutation Commit($id: ID!) {
    commitArtifact(input: {artifactID: $id}) { artifact { versionIndex } }
}
"""


class Client:
    """A client that says what it is told to say."""

    def __init__(self, server: WandbServer) -> None:
        self.url = server.url

    def ask(self, query: str, **variables: Any) -> httpx.Response:
        request = {"query": query, "variables": variables}
        return httpx.post(f"{self.url}/graphql", json=request, trust_env=False)

    def put(self, url: str, content: bytes) -> httpx.Response:
        return httpx.put(url, content=content, trust_env=False)

    def commit(
        self, entry: dict[str, Any], digest: str | None = None, announce: str | None = None
    ) -> httpx.Response:
        """Commit a version with one file, whose manifest has the entry.

        Args:
            entry: The entry.
            digest: The version's digest. Defaults to the right one.
            announce: The MD5 digest to announce for the file, if any.
        """
        if digest is None:
            text = f"wandb-artifact-manifest-v1\na.txt:{entry['digest']}\n"
            digest = hashlib.md5(text.encode()).hexdigest()
        names = {"entityName": "e", "projectName": "p", "runName": "r"}
        created = self.ask(
            CREATE,
            input={
                **names,
                "artifactTypeName": "dataset",
                "artifactCollectionName": "data",
                "digest": digest,
            },
        )
        identifier = created.json()["data"]["createArtifact"]["artifact"]["id"]
        if announce is not None:
            file = {"artifactID": identifier, "name": "a.txt", "md5": announce}
            files = {"artifactFiles": [file | {"digest": entry["digest"]}]}
            assert self.ask(ANNOUNCE_FILE, input=files).status_code == 200
        manifest = json.dumps({"version": 1, "contents": {"a.txt": entry}}).encode()
        announced = self.ask(
            ANNOUNCE,
            input={
                **names,
                "artifactID": identifier,
                "name": "wandb_manifest.json",
                "digest": base64.b64encode(hashlib.md5(manifest).digest()).decode(),
                "type": "FULL",
            },
        ).json()["data"]["createArtifactManifest"]["artifactManifest"]
        assert self.put(announced["file"]["uploadUrl"], manifest + b" ").status_code == 400
        assert self.put(announced["file"]["uploadUrl"], manifest).status_code == 200
        return self.ask(COMMIT, id=identifier)


@pytest.fixture
def client(wandb_server: WandbServer) -> Client:
    return Client(wandb_server)


def upload(client: Client) -> None:
    blob = hashlib.md5(CONTENT).hexdigest()
    assert client.put(f"{client.url}/blobs/{blob}", CONTENT).status_code == 200


def test_a_version_that_is_what_it_says_is_committed(client: Client):
    upload(client)
    response = client.commit({"digest": DIGEST, "size": len(CONTENT)})
    assert response.json()["data"]["commitArtifact"]["artifact"]["versionIndex"] == 0


def test_bytes_that_are_missing_are_noticed(client: Client):
    response = client.commit({"digest": DIGEST, "size": len(CONTENT)})
    assert response.status_code == 400
    assert "None bytes here" in response.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    ("digest", "noticed"),
    [
        (xxhash.xxh128(CONTENT).digest(), None),
        (xxhash.xxh128(b"others").digest(), "does not have the digest"),
    ],
)
def test_bytes_with_another_xxh128_digest_are_noticed(client, digest, noticed):
    upload(client)
    entry = {"digest": base64.b64encode(digest).decode(), "extra": {"alg": "XXH128"}}
    response = client.commit(entry | {"size": len(CONTENT)}, announce=DIGEST)
    if noticed is None:
        assert response.json()["data"]["commitArtifact"]["artifact"]["versionIndex"] == 0
    else:
        assert noticed in response.json()["errors"][0]["message"]


def test_bytes_that_nobody_announced_are_noticed(client: Client):
    digest = base64.b64encode(xxhash.xxh128(CONTENT).digest()).decode()
    response = client.commit({"digest": digest, "extra": {"alg": "XXH128"}, "size": 7})
    assert "no client announced" in response.json()["errors"][0]["message"]


def test_a_wrong_size_is_noticed(client: Client):
    upload(client)
    response = client.commit({"digest": DIGEST, "size": len(CONTENT) + 1})
    assert response.status_code == 400
    assert "7 bytes here, 8 in the manifest" in response.json()["errors"][0]["message"]


def test_a_digest_of_another_manifest_is_noticed(client: Client):
    upload(client)
    response = client.commit({"digest": DIGEST, "size": len(CONTENT)}, digest="0" * 32)
    assert response.status_code == 400
    assert "artifact's digest" in response.json()["errors"][0]["message"]
