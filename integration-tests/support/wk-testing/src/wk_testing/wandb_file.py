"""Reads back the file that an offline run has written.

wandb ships no reader. The file is a LevelDB log behind a header of seven bytes: blocks of 32 KiB
with chunks of a seven-byte header (checksum, length, kind) each; one or several chunks make one
protocol buffer of wandb's own type `Record`.
"""

import json
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from wandb.proto import wandb_internal_pb2

_FILE_HEADER: Final = 7
_BLOCK: Final = 32 * 1024
_CHUNK_HEADER: Final = struct.Struct("<IHB")
_LAST_KINDS: Final = (1, 4)  # a record in one chunk, and the last chunk of several


@dataclass
class RunFile:
    """What a run has written.

    Attributes:
        history: The rows, without wandb's own entries but `_step`.
        summary: The summary as W&B would show it: what was set, and the last value of each key.
        config: The config.
        step_metrics: The x axis of a key or a pattern, as `define_metric` was told.
        artifacts: The logged artifacts' records.
        exit_code: The run's exit code; None while it runs.
    """

    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    step_metrics: dict[str, str] = field(default_factory=dict)
    artifacts: list[Any] = field(default_factory=list)
    exit_code: int | None = None

    def rows(self, key: str) -> list[dict[str, Any]]:
        """Returns the rows that have the key."""
        return [row for row in self.history if key in row]

    def column(self, key: str) -> list[Any]:
        """Returns the key's values, in the order of the rows."""
        return [row[key] for row in self.rows(key)]


def read_run(directory: Path) -> RunFile:
    """Returns what the one run below `directory` has written.

    The last block may be on its way to the disk still, right after the run has finished.
    """
    (path,) = directory.rglob("*.wandb")
    deadline = time.monotonic() + 10
    while True:
        run = _parse(path.read_bytes())
        if run.exit_code is not None or time.monotonic() > deadline:
            return run
        time.sleep(0.1)


def read_unfinished_run(directory: Path) -> RunFile:
    """Returns what the one run below `directory`, whose process died, has written."""
    (path,) = directory.rglob("*.wandb")
    return _parse(path.read_bytes())


def _parse(data: bytes) -> RunFile:
    run = RunFile()
    for record in _records(data):
        _add_record(run, record)
    return run


def _add_record(run: RunFile, record: Any) -> None:
    kind = record.WhichOneof("record_type")
    if kind == "history":
        row = _entries(record.history.item)
        run.history.append({key: value for key, value in row.items() if _is_ours(key)})
    elif kind == "summary":
        run.summary.update(_entries(record.summary.update))
    elif kind == "config":
        run.config.update(_entries(record.config.update))
    elif kind == "run":
        run.config.update(_entries(record.run.config.update))
    elif kind == "metric" and not record.metric.expanded_from_glob:  # wandb 0.25 writes those, too
        run.step_metrics[record.metric.name or record.metric.glob_name] = record.metric.step_metric
    elif kind == "artifact":
        run.artifacts.append(record.artifact)
    elif kind == "exit":
        run.exit_code = record.exit.exit_code


def _is_ours(key: str) -> bool:
    return not key.startswith("_") or key == "_step"


def _entries(items: Any) -> dict[str, Any]:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


def _records(data: bytes) -> Iterator[Any]:
    for payload in _payloads(data):
        record = wandb_internal_pb2.Record()  # type: ignore[attr-defined]  # made at run time
        record.ParseFromString(payload)
        yield record


def _payloads(data: bytes) -> Iterator[bytes]:
    """Yields the whole records; a half-written one at the end is left out."""
    position, parts = _FILE_HEADER, []
    while position + _CHUNK_HEADER.size <= len(data):
        left_in_block = _BLOCK - position % _BLOCK
        if left_in_block < _CHUNK_HEADER.size:  # the rest of a block too small for a chunk
            position += left_in_block
            continue
        _, length, kind = _CHUNK_HEADER.unpack_from(data, position)
        position += _CHUNK_HEADER.size
        if kind == 0 or position + length > len(data):
            return
        parts.append(data[position : position + length])
        position += length
        if kind in _LAST_KINDS:
            yield b"".join(parts)
            parts = []
