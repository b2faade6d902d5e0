"""What has arrived of a run whose process is killed while it sends a row and the summary of it."""

import json
from typing import Any

import httpx
import wandb

from wandb_loopback.process import API_KEY


def send_summary(run: wandb.Run, **last: Any) -> None:
    """Sends a finished run's summary with new last values, and not the row that has them."""
    _send(run, "wandb-summary.json", 0, last)


def send_row(run: wandb.Run, offset: int, **row: Any) -> None:
    """Sends a finished run's next row, the one behind `offset` others, and no summary of it."""
    _send(run, "wandb-history.jsonl", offset, row)


def _send(run: wandb.Run, name: str, offset: int, line: dict[str, Any]) -> None:
    url = f"{run.settings.base_url}/files/{run.path}/file_stream"
    files = {name: {"offset": offset, "content": [json.dumps(line)]}}
    httpx.post(url, json={"files": files}, auth=("api", API_KEY)).raise_for_status()
