"""The process that wandb runs beside a test: what is read through it, and its end.

In wandb 0.31 that process sometimes waits for ever. Its client orders it to end and closes the
connection at once. If the process is writing an answer at that moment, writing fails, and it drops
the connection with all that it has not read, the order to end included. Most often the answer is a
history that was read and is no longer needed.
"""

import os
import signal
import threading
import warnings
from pathlib import Path
from typing import Any

import psutil
import wandb

_TIMEOUT = 60

_read: list[Any] = []  # kept until the process has ended, so that no answer is on its way then


def history(run: Any, **choice: Any) -> list[dict[str, Any]]:
    """Returns the rows of a run that was read, or those of them that `scan_history` chooses."""
    scan = run.scan_history(**choice)
    _read.append(scan)
    return list(scan)


def quiet_client(directory: Path) -> None:
    """Keeps wandb quiet in this process and in those it starts, and what it writes together.

    Args:
        directory: Where its caches and its configuration go.
    """
    os.environ["WANDB_SILENT"] = "true"
    os.environ["WANDB_ERROR_REPORTING"] = "false"
    for name in ("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
        os.environ[name] = str(directory)


def end_client() -> None:
    """Ends wandb's process once it has sent everything, and forgets what the client knew.

    If it waits for ever, it is ended after a minute, having printed where it stood, and a warning
    says so.
    """
    hung = threading.Event()

    def end() -> None:
        hung.set()
        for process in psutil.Process().children():
            if process.name() == "wandb-core":
                process.send_signal(signal.SIGQUIT)  # A Go program prints its stacks and ends.

    timer = threading.Timer(_TIMEOUT, end)
    timer.start()
    try:
        wandb.teardown()
    except SystemExit:
        if not hung.is_set():
            raise
        warnings.warn("wandb's process did not end by itself", RuntimeWarning, stacklevel=2)
    finally:
        timer.cancel()
        _read.clear()
