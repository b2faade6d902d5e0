"""The facts of a run's artifacts: versions, metadata, files and tables."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from documented_uses.facts.files import named
from documented_uses.facts.media import cell
from documented_uses.facts.values import plain, short, without_digests

_VARY: Final = ("saved_at", "saved_by", "keras_version", "backend")
"""Metadata of a checkpoint of which it matters only that they are there."""


def artifact_facts(artifacts: Iterable[Any]) -> dict[str, Any]:
    """Returns what each artifact is and what its versions hold, by name.

    wandb makes artifacts of its own, one for each table of a row: of these there are the tables.
    """
    versions: dict[str, list[Any]] = {}
    tables: dict[str, list[Any]] = {}
    for artifact in artifacts:
        if artifact.type == "run_table":
            tables.setdefault("".join(_files(artifact)), []).append(artifact)
        else:
            versions.setdefault(artifact.name, []).append(artifact)
    facts = {name: _versions(several) for name, several in sorted(versions.items())}
    for name, several in sorted(tables.items()):
        facts[f"{len(several)} x {name}"] = _tables(several[-1])[name]
    return facts


def _versions(artifacts: list[Any]) -> dict[str, Any]:
    last = artifacts[-1]
    facts = {
        "type": last.type,
        "aliases": [sorted(artifact.aliases) for artifact in artifacts],
        "metadata": _merged([_metadata(artifact) for artifact in artifacts]),
        "files": _one_or_all([named(_files(artifact)) for artifact in artifacts]),
        "refers to": _references(last),
        "last tables": _tables(last),
    }
    return {name: each for name, each in facts.items() if each}


def _tables(artifact: Any) -> dict[str, Any]:
    return {
        without_digests(name): _table(json.loads(path.read_text()))
        for name, path in _files(artifact).items()
        if name.endswith(".table.json")
    }


def _merged(several: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns each key's values in all versions; one value where it is always the same."""
    keys = sorted({key for each in several for key in each})
    return {key: _one_or_all([each.get(key, "none") for each in several]) for key in keys}


def _one_or_all(values: list[Any]) -> Any:
    return values[0] if all(each == values[0] for each in values) else values


def _metadata(artifact: Any) -> dict[str, Any]:
    metadata: Mapping[str, Any] = plain(json.loads(artifact.metadata or "{}"))
    known = {key: value for key, value in metadata.items() if key not in _VARY}
    varies = sorted(key for key in metadata if key in _VARY)
    return known | ({"others": " ".join(varies)} if varies else {})


def _files(artifact: Any) -> dict[str, Path]:
    entries = artifact.manifest.contents
    return {entry.path: Path(entry.local_path) for entry in entries if not entry.ref}


def _references(artifact: Any) -> list[str]:
    entries = artifact.manifest.contents
    return sorted({without_digests(entry.path) for entry in entries if entry.ref})


def _table(content: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the columns of a table."""
    return {
        name: short([cell(row[number]) for row in content["data"]])
        for number, name in enumerate(content["columns"])
    }
