"""What a user sees of a run on a server, through the public `wandb.Api`."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import wandb

from server.process import API_KEY


def read(run: wandb.Run) -> Any:
    """Returns a run as its server has it now."""
    return read_path(f"{run.entity}/{run.project}/{run.id}", run.settings.base_url)


def read_path(path: str, url: str) -> Any:
    """Returns the run at a path as the server at an address has it now."""
    return wandb.Api(overrides={"base_url": url}, api_key=API_KEY).run(path)


def column(run: Any, key: str) -> list[Any]:
    """Returns the key's values in the run's history, in the order of the rows."""
    return [row[key] for row in run.scan_history() if row.get(key) is not None]


def sync(run: wandb.Run | Path, *options: str) -> str:
    """Runs `wandb sync` on a run, or its directory, in a process of its own; returns its output."""
    directory = run if isinstance(run, Path) else run.settings.sync_dir
    command = [sys.executable, "-m", "wandb", "sync", *options, str(directory)]
    done = subprocess.run(command, check=True, timeout=120, capture_output=True, text=True)
    return done.stdout + done.stderr
