"""The fixtures of a server, and of several."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from server.commands import WandbServer
from server.fixtures import *  # noqa: F403
from wk_testing.client import end_client


@pytest.fixture
def start_server(tmp_path: Path, wandb_server: WandbServer) -> Iterator[Callable[[], WandbServer]]:
    """Starts more servers beside the one that the client uses of itself.

    A run reports to one of them with `settings=wandb.Settings(base_url=server.url)`.
    """
    assert wandb_server.running
    servers: list[WandbServer] = []

    def start() -> WandbServer:
        server = WandbServer(tmp_path / f"another-server-{len(servers)}")
        servers.append(server)
        return server.start()

    try:
        yield start
        for server in servers:
            server.recover()
        end_client()  # A run that is still open waits for its server.
        gaps = [gap for server in servers for gap in server.gaps()]
    finally:
        for server in servers:
            server.close()
    assert gaps == []
