"""What worker processes do in tests; importable by them, and without Keras."""

import os
import sys
import time
from pathlib import Path
from typing import Any, Final

from wk_core.worker.worker_run import WorkerRun

CONFIG: Final = {"batch_size": 4, "optimizer": {"name": "adam", "rates": [0.1, {"last": 0.01}]}}


def report(worker_run: WorkerRun, number: int) -> dict[str, Any]:
    """Reads the config, logs to both runs, and tells what was seen.

    Args:
        worker_run: The run.
        number: The number that is logged.
    """
    config = worker_run.config
    seen = {
        "process": os.getpid(),
        "batch_size": config.batch_size,
        "last_rate": config.optimizer.rates[1].last,
        "wandb_was_imported": "wandb" in sys.modules,
    }
    worker_run.log({"loader/item": number})
    seen["batch_size_by_wandb"] = _wandb_config()["batch_size"]
    worker_run.own_run().log({"item": number})
    return seen


def _wandb_config() -> Any:
    import wandb  # costs seconds: not before it is needed

    return wandb.config


def report_and_hang(worker_run: WorkerRun, number: int, path: str) -> None:
    """Reports, makes a file of it, and does not come back."""
    report(worker_run, number)
    Path(path).touch()
    time.sleep(600)


def report_late(worker_run: WorkerRun, number: int) -> None:
    """Logs to the worker's own run, and once more when the main script has come to its end."""
    worker_run.own_run().log({"item": number})
    time.sleep(3)  # more than its hooks of `atexit` take
    worker_run.own_run().log({"item": number + 1})


def wait_for(path: str) -> None:
    """Returns when a file exists; fails after some minutes."""
    deadline = time.monotonic() + 300
    while not Path(path).exists():
        assert time.monotonic() < deadline, f"waited in vain for {path}"
        time.sleep(0.05)
