"""The server as a process of its own, so that it can be killed like one.

Many tests start a server, and importing its libraries takes longer than all else, so each is
forked from one process that has imported them and does nothing else.
"""

import multiprocessing
import os
import secrets
import signal
import socket
import sys
import threading
import time
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, Self

import httpx

API_KEY = "0123456789abcdef" * 2 + "01234567"

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["wandb_loopback.serve"])

_START_TIMEOUT = 60


def url_of(port: int) -> str:
    """The address of a server."""
    return f"http://127.0.0.1:{port}"


def free_port() -> int:
    """A port of the loopback interface that is free.

    It is below the ports from which the system takes those of outgoing connections, so that
    none of them takes it before it is listened on.
    """
    while True:
        # Not from Python's own generator, which trainings seed: all would get the same ports.
        port = 20_000 + secrets.randbelow(10_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def _reserved_port() -> socket.socket:
    """A socket that keeps a port for a server until it is closed, and does not listen itself.

    With it there, no other process is given the port, while one that asks for the very port, and
    for reuse of its address as servers do, gets it (on Linux).
    """
    reservation = socket.socket()
    reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reservation.bind(("127.0.0.1", 0))
    return reservation


class ServerProcess:
    """The life of a server, which can end and begin again on the same port and state.

    Args:
        state: The directory in which the server remembers things.
    """

    def __init__(self, state: Path) -> None:
        self.state = state
        self._reservation = _reserved_port()
        self.port: int = self._reservation.getsockname()[1]
        self._process: ForkServerProcess | None = None
        self._control = httpx.Client(trust_env=False, timeout=30)

    @property
    def url(self) -> str:
        """The address, which stays the same however often the server is started."""
        return url_of(self.port)

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that make the wandb client use this server."""
        return client_environment(self.url)

    def start(self) -> Self:
        """Start the server, with what it remembers, and return once it answers."""
        self.state.mkdir(parents=True, exist_ok=True)
        self._process = _CONTEXT.Process(target=_main, args=(self.state, self.port), daemon=True)
        self._process.start()
        deadline = time.monotonic() + _START_TIMEOUT
        while time.monotonic() < deadline and self.running:
            try:
                if self.ask()["pid"] == self._process.pid:
                    return self
            except httpx.TransportError:
                time.sleep(0.02)
        self.kill()
        raise RuntimeError(f"the server did not start: {self.log()}")

    def stop(self) -> None:
        """Ask the server to end, and wait for it."""
        if self._process is not None:
            self._process.terminate()
            self._process.join()

    def kill(self) -> None:
        """End the server at once, in whatever it is doing."""
        if self._process is not None:
            self._process.kill()
            self._process.join()

    def close(self) -> None:
        """End the server for good."""
        self.kill()
        self._control.close()
        self._reservation.close()

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.is_alive()

    def log(self) -> str:
        """What the server has printed."""
        path = self.state / "server.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def ask(self) -> dict[str, Any]:
        """What the server says about itself."""
        answer = self._control.get(f"{self.url}/_control/state").raise_for_status()
        state: dict[str, Any] = answer.json()
        return state

    def tell(self, method: str, what: str, content: Any = None) -> None:
        """Command the server."""
        url = f"{self.url}/_control/{what}"
        self._control.request(method, url, json=content).raise_for_status()


def _main(state: Path, port: int) -> None:
    """What the new process does."""
    from wandb_loopback.serve import serve  # The server's libraries: only where it runs.

    with (state / "server.log").open("ab") as log:
        os.dup2(log.fileno(), sys.stdout.fileno())
        os.dup2(log.fileno(), sys.stderr.fileno())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    serve(state, port)


def _end_with_parent() -> None:
    """Leave no server behind when a test run is killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGKILL)


def client_environment(url: str) -> dict[str, str]:
    """The environment variables that point the wandb client at a server.

    They also make it retry after a second instead of a minute, which is as fast as it can.
    """
    variables = {
        "WANDB_BASE_URL": url,
        "WANDB_API_KEY": API_KEY,
        "WANDB_MODE": "online",
        "WANDB_ERROR_REPORTING": "false",
        "WANDB_SILENT": "true",
        "WANDB__FILE_STREAM_TRANSMIT_INTERVAL": "1",
        "NO_PROXY": "127.0.0.1",
    }
    for part in ("FILE_STREAM", "GRAPHQL", "FILE_TRANSFER"):
        variables[f"WANDB__{part}_RETRY_WAIT_MIN_SECONDS"] = "1"
        variables[f"WANDB__{part}_RETRY_WAIT_MAX_SECONDS"] = "1"
    return variables
