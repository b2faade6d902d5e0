"""What a user sees of a run on a server, through the public `wandb.Api`."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import wandb

from wandb_loopback.process import API_KEY
from wk_testing.client import history


def read(run: wandb.Run) -> Any:
    """Returns a run as its server has it now."""
    return read_path(f"{run.entity}/{run.project}/{run.id}", run.settings.base_url)


def read_path(path: str, url: str) -> Any:
    """Returns the run at a path as the server at an address has it now."""
    return wandb.Api(overrides={"base_url": url}, api_key=API_KEY).run(path)


def column(run: Any, key: str) -> list[Any]:
    """Returns the key's values in the run's history, in the order of the rows."""
    return [row[key] for row in history(run) if row.get(key) is not None]


def sync(run: wandb.Run | Path, *options: str) -> str:
    """Runs `wandb sync` on a run, or its directory, in a process of its own; returns its output."""
    directory = run if isinstance(run, Path) else run.settings.sync_dir
    command = [sys.executable, "-m", "wandb", "sync", *options, str(directory)]
    done = subprocess.run(command, check=True, timeout=120, capture_output=True, text=True)
    return done.stdout + done.stderr


def versions(run: Any) -> dict[str, Any]:
    """Returns the versions of a run's checkpoints by their numbers, the first one first.

    Args:
        run: A run of `wandb`, or one that was read.
    """
    url = run.settings.base_url if isinstance(run, wandb.Run) else None
    api = wandb.Api(overrides={"base_url": url} if url else None, api_key=API_KEY)
    name = f"{run.entity}/{run.project}/run_{run.id}_model"
    if not api.artifact_collection_exists(name, "model"):
        return {}
    return {each.version: each for each in reversed(list(api.artifacts("model", name)))}


def aliases(run: Any) -> dict[str, set[str]]:
    """Returns what the versions of a run's checkpoints are called."""
    return {number: set(version.aliases) for number, version in versions(run).items()}


def download(version: Any, directory: Path) -> Path:
    """Fetches a version into an empty directory; returns its one file, or its directory."""
    root = Path(version.download(root=str(directory), skip_cache=True))
    entries = list(root.iterdir())
    return entries[0] if len(entries) == 1 and entries[0].is_file() else root


def staged_files(run: wandb.Run) -> list[str]:
    """Returns which files of a run's checkpoints are kept on this machine for the upload."""
    directory = Path(run.settings.wandb_dir, "checkpoints", run.id)
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*.*"))


def wait_until(condition: Callable[[], bool]) -> None:
    """Returns once a condition holds; fails after a minute."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
