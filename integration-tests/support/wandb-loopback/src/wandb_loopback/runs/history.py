"""What a run streams: history, system events, console output and the summary.

Lines are stored under the offset that the client gives them, so a request that is repeated
because its answer got lost adds nothing. In shared mode several writers count from zero, each on
its own, and their lines follow each other in the order of arrival.
"""

import json
from typing import Any

from wandb_loopback.errors import GapError
from wandb_loopback.graphql.fields import field
from wandb_loopback.runs.runs import Run
from wandb_loopback.store.store import now

_STREAMS = {
    "wandb-history.jsonl": "history",
    "wandb-events.jsonl": "events",
    "output.log": "output",
}


def receive(run: Run, message: dict[str, Any], client: str) -> None:
    """Store one request of the file stream.

    Args:
        run: The run that it belongs to.
        message: Its body.
        client: Who sends it, in shared mode; empty otherwise.
    """
    changes = {"heartbeat_at": now()}
    for name, part in (message.get("files") or {}).items():
        lines = part.get("content") or []
        if name == "wandb-summary.json":
            if lines:
                changes["summary_metrics"] = _summary(run, lines[-1], client)
        elif name in _STREAMS:
            _store_lines(run, _STREAMS[name], client, part.get("offset") or 0, lines)
        else:
            raise GapError(f"file {name!r} in the file stream")
    state = "preempting" if message.get("preempting") else run.state
    if message.get("complete"):
        failed = "preempted" if state == "preempting" else "failed"
        changes["state"] = failed if message.get("exitcode") else "finished"
    elif state == "preempting":
        changes["state"] = state
    elif message.get("files"):
        changes["state"] = "running"
    run.change(**changes)


def _summary(run: Run, text: str, client: str) -> str:
    """The new summary: a lone writer sends all of it, one of several only what it knows."""
    if not client:
        return text
    return json.dumps(json.loads(run.summary_metrics) | json.loads(text))


def _store_lines(run: Run, stream: str, client: str, offset: int, lines: list[str]) -> None:
    for number, text in enumerate(lines, start=offset):
        run.store.execute(
            "INSERT INTO line (run_number, stream, client, offset, text) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (run_number, stream, client, offset) DO UPDATE SET text = excluded.text",
            run.number,
            stream,
            client,
            number,
            text,
        )


def lines(run: Run, stream: str) -> list[str]:
    """The lines of one stream of a run, in order."""
    rows = run.store.execute(
        "SELECT text FROM line WHERE run_number = ? AND stream = ?"
        " ORDER BY CASE client WHEN '' THEN offset ELSE position END",
        run.number,
        stream,
    )
    return [row["text"] for row in rows]


def _thin(rows: list[Any], samples: int | None) -> list[Any]:
    """Leave out rows at even distances, so that no more than so many are left."""
    step = -(-len(rows) // samples) if samples else 1
    return rows[:: max(step, 1)]


@field("Run")
def history_line_count(run: Run) -> int:
    """The number of rows of history."""
    return len(lines(run, "history"))


@field("Run")
def events_line_count(run: Run) -> int:
    """The number of rows of system events."""
    return len(lines(run, "events"))


@field("Run")
def log_line_count(run: Run) -> int:
    """The number of lines of console output."""
    return len(lines(run, "output"))


@field("Run")
def history_tail(run: Run) -> str:
    """The last row of history, as a JSON list of JSON texts."""
    return json.dumps(lines(run, "history")[-1:])


@field("Run")
def events_tail(run: Run) -> str:
    """The last row of system events, as a JSON list of JSON texts."""
    return json.dumps(lines(run, "events")[-1:])


@field("Run")
def system_metrics(run: Run) -> str:
    """The newest system events."""
    return (lines(run, "events") or ["{}"])[-1]


@field("Run")
def history(
    run: Run,
    min_step: int | None = None,
    max_step: int | None = None,
    samples: int | None = None,
) -> list[str]:
    """Rows of history: a page from one step up to another, or a sample of them all."""
    found = lines(run, "history")
    if min_step is None or max_step is None:
        return _thin(found, samples)
    return [text for text in found if min_step <= _step(json.loads(text)) < max_step]


@field("Run")
def events(run: Run, samples: int | None = None) -> list[str]:
    """A sample of the system events."""
    return _thin(lines(run, "events"), samples)


@field("Run")
def sampled_history(run: Run, specs: list[str]) -> list[list[dict[str, Any]]]:
    """For each wish, the rows that have all the keys, cut down to these keys."""
    rows = [json.loads(text) for text in lines(run, "history")]
    return [_sample(rows, json.loads(spec)) for spec in specs]


def _sample(rows: list[dict[str, Any]], spec: dict[str, Any]) -> list[dict[str, Any]]:
    low, high = spec.get("minStep", 0), spec.get("maxStep", float("inf"))
    found = [
        {key: row[key] for key in spec["keys"]}
        for row in rows
        if low <= _step(row) <= high and all(key in row for key in spec["keys"])
    ]
    return _thin(found, spec.get("samples"))


@field("Run")
def history_keys(run: Run) -> dict[str, Any]:
    """Which keys the history has, how often, and its last step."""
    rows = [json.loads(text) for text in lines(run, "history")]
    counts: dict[str, int] = {}
    for row in rows:
        for key in row:
            counts[key] = counts.get(key, 0) + 1
    return {
        "sets": [],
        "keys": {
            key: {"typeCounts": [{"type": "number", "count": count}], "monotonic": False}
            for key, count in counts.items()
        },
        "lastStep": max(map(_step, rows), default=-1),
    }


def _step(row: dict[str, Any]) -> int:
    step: int = row.get("_step", 0)
    return step


@field("Run")
def parquet_history(_run: Run, **_wanted: Any) -> dict[str, Any]:
    """No history in files: the client then asks for it page by page."""
    return {"parquet_urls": [], "live_data": []}
