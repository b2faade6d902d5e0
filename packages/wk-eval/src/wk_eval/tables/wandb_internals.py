"""Files and references of an artifact, as wandb keeps them until they are uploaded.

The one place that knows this of wandb: `Artifact.add_file` would write, copy and read each picture
several times over, and `add_reference` would look up each one's artifact again.
"""

import base64
import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from wandb.sdk.artifacts.artifact_manifest_entry import ArtifactManifestEntry as Entry
from wandb.sdk.artifacts.staging import get_staging_dir
from wandb.sdk.lib.paths import LogicalPath, URIStr

__all__ = ["Entry", "bytes_entry", "file_entry", "md5_of", "reference", "staging_directory"]


def staging_directory() -> str:
    """Returns the directory in which files wait for their upload, or for `wandb sync`."""
    return str(get_staging_dir())


def md5_of(content: bytes) -> bytes:
    """Returns the MD5 digest of a content, by which artifacts tell contents apart."""
    return hashlib.md5(content, usedforsecurity=False).digest()


def bytes_entry(path: str, content: bytes, digest: bytes, directory: str) -> Entry:
    """Writes a file to where wandb uploads it from; returns its entry in an artifact.

    Args:
        path: Its path inside the artifact.
        content: Its content.
        digest: The content's MD5 digest.
        directory: The `staging_directory`.
    """
    descriptor, local = tempfile.mkstemp(dir=directory)
    os.fchmod(descriptor, 0o400)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    return _entry(path, digest, len(content), local)


def file_entry(path: str, write: Callable[[IO[bytes]], object]) -> Entry:
    """Writes a file to where wandb uploads it from; returns its entry in an artifact.

    Args:
        path: Its path inside the artifact.
        write: Writes its content to a file that is open.
    """
    with tempfile.NamedTemporaryFile(dir=staging_directory(), delete=False) as file:
        write(file)
        file.flush()
        size = file.tell()
        file.seek(0)
        digest = hashlib.file_digest(file, "md5").digest()
    Path(file.name).chmod(0o400)
    return _entry(path, digest, size, file.name)


def reference(path: LogicalPath, digest: str, client_id: str) -> Entry:
    """Returns an entry that stands for another artifact's entry of the same path.

    Args:
        path: The path inside both artifacts.
        digest: The other entry's digest.
        client_id: The other artifact's id within this client. The artifact must have been logged
            before the one that refers to it; the upload puts the server's id in its place.
    """
    target = URIStr(f"wandb-client-artifact://{client_id}/{path}")
    return Entry(path=path, digest=digest, size=0, ref=target)


def _entry(path: str, digest: bytes, size: int, local: str) -> Entry:
    encoded = base64.b64encode(digest).decode()
    return Entry(path=LogicalPath(path), digest=encoded, size=size, local_path=local)
