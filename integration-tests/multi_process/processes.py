"""Several processes that belong together: started together, and none of them left behind."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

__all__ = ["Launch", "run_together"]

_TREE: Final = Path(__file__).parent.parent
_TIMEOUT: Final = 500  # seconds: importing a backend takes many of them where others compute, too
_GRACE: Final = 20  # for the others to end, when one of them has failed


@dataclass(frozen=True)
class Launch:
    """One of several processes.

    Attributes:
        module: The module that it runs.
        arguments: Its command line.
        environment: Environment variables, besides those of this process.
    """

    module: str
    arguments: Sequence[str | Path]
    environment: Mapping[str, str] = field(default_factory=dict)


def run_together(launches: Sequence[Launch], logs: Path) -> list[str]:
    """Runs several processes at once; returns what each of them has printed.

    Args:
        launches: The processes.
        logs: A directory for what they print.

    Raises:
        AssertionError: If one of them fails, or does not end in time.
    """
    logs.mkdir(parents=True, exist_ok=True)
    running: list[tuple[subprocess.Popen[bytes], IO[bytes]]] = []
    try:
        for number, launch in enumerate(launches):
            log = (logs / f"{number}.log").open("w+b")
            process = subprocess.Popen(
                [sys.executable, "-m", launch.module, *map(str, launch.arguments)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**_inherited(), **launch.environment},
                start_new_session=True,
            )
            running.append((process, log))
        _wait([process for process, _ in running])
    finally:
        for process, _ in running:
            _end(process)
    printed = [_read(log) for _, log in running]
    for process, _ in running:
        assert process.returncode == 0, "\n".join(
            f"--- process {number}, status {each.returncode}\n{text[-8000:]}"
            for number, ((each, _), text) in enumerate(zip(running, printed, strict=True))
        )
    return printed


def _inherited() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}
    path = os.pathsep.join(filter(None, [str(_TREE), kept.get("PYTHONPATH")]))
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONUNBUFFERED": "1"}
    return {**kept, **quiet, "PYTHONPATH": path}


def _wait(processes: list[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + _TIMEOUT
    while time.monotonic() < deadline:
        statuses = [process.poll() for process in processes]
        if None not in statuses:
            return
        if any(statuses):
            deadline = min(deadline, time.monotonic() + _GRACE)
        time.sleep(0.05)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kills a process and what it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _read(log: IO[bytes]) -> str:
    with log:
        log.seek(0)
        return log.read().decode(errors="replace")
