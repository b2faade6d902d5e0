"""Asks a process that has imported Keras and wandb already to run a script in a fork."""

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import CompletedProcess
from typing import Final

__all__ = ["WarmInterpreter", "end_interpreters", "interpreter_for"]

# Read when a script runs, not when what it uses is imported.
_READ_LATER: Final = ("WANDB_", "WK_", "PYTEST_", "PYTHONPATH")
_MOST: Final = 4  # each takes half a gigabyte

_started: dict[tuple[tuple[str, str], ...], "WarmInterpreter"] = {}


class WarmInterpreter:
    """A process that runs scripts as new interpreters would, without the time of the imports.

    Args:
        prelude: What it does before it imports anything.
        environment: Its environment variables.
    """

    def __init__(self, prelude: str, environment: Mapping[str, str]) -> None:
        self._control, theirs = socket.socketpair()
        source = f"{prelude}\nfrom wk_testing.warm.server import main\nmain()"
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", source, str(theirs.fileno())],
                env=environment,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def run(
        self, source: str, arguments: tuple[str, ...], environment: Mapping[str, str]
    ) -> CompletedProcess[str]:
        """Runs Python code; returns its exit status and what it printed."""
        asked = {
            "source": source,
            "arguments": arguments,
            "environment": environment,
            "directory": str(Path.cwd()),
        }
        pipes = [os.pipe() for _ in range(3)]
        with tempfile.TemporaryFile("w+") as request:
            json.dump(asked, request)
            request.flush()
            socket.send_fds(self._control, [b"-"], [request.fileno(), *(end for _, end in pipes)])
        for _, end in pipes:
            os.close(end)
        with ThreadPoolExecutor(len(pipes)) as pool:
            stdout, stderr, reply = pool.map(_read, (end for end, _ in pipes))
        if not reply:
            raise RuntimeError("the process of which scripts are forks has ended")
        code = os.waitstatus_to_exitcode(int(reply))
        return CompletedProcess([sys.executable, "-c", source, *arguments], code, stdout, stderr)

    def close(self) -> None:
        """Ends the process."""
        self._control.close()
        self._process.wait()


def interpreter_for(prelude: str, environment: Mapping[str, str]) -> WarmInterpreter | None:
    """Returns the interpreter for an environment, None where a script needs one of its own."""
    if sys.platform != "linux":  # elsewhere a fork of what has imported a backend may hang
        return None
    read_at_once = {
        name: value for name, value in environment.items() if not name.startswith(_READ_LATER)
    }
    key = tuple(sorted(read_at_once.items()))
    if key not in _started:
        if len(_started) == _MOST:
            return None
        _started[key] = WarmInterpreter(prelude, read_at_once)
    return _started[key]


def end_interpreters() -> None:
    """Ends all that were started."""
    for interpreter in _started.values():
        interpreter.close()
    _started.clear()


def _read(descriptor: int) -> str:
    with open(descriptor) as file:
        return file.read()
