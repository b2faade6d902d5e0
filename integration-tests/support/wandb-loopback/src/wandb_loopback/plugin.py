"""The pytest plugin: a server of the test's own, and a wandb client that knows nothing yet."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from wandb_loopback.wandb_server import WandbServer
from wk_testing.client import end_client

# pytest does it for the modules of installed plugins, but does not find those of an editable one.
pytest.register_assert_rewrite("wandb_loopback.reading")

_DIRECTORIES = ("DIR", "CACHE_DIR", "DATA_DIR", "CONFIG_DIR", "ARTIFACT_DIR")


@pytest.fixture
def wandb_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WandbServer]:
    """A running server that the wandb client of this test uses.

    The client begins with empty directories: a download out of its cache would test nothing.
    The test fails if the client asked for anything that the server lacks.
    """
    with closing(WandbServer(tmp_path / "wandb-server")) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        for name in _DIRECTORIES:
            directory = tmp_path / "wandb-client" / name.lower()
            directory.mkdir(parents=True)
            monkeypatch.setenv(f"WANDB_{name}", str(directory))
        end_client()  # An earlier test may have left a client that talks to another server.
        server.start()
        yield server
        server.recover()
        end_client()  # What the client still has to send is part of the test.
        gaps = server.gaps()
    _fail_because_of(gaps)


@pytest.fixture
def start_server(
    tmp_path: Path,
    wandb_server: WandbServer,  # noqa: ARG001  it prepares the client
) -> Iterator[Callable[[], WandbServer]]:
    """Starts more servers beside the one that the client uses of itself.

    A run reports to one of them with `settings=wandb.Settings(base_url=server.url)`.
    """
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
    _fail_because_of(gaps)


def _fail_because_of(gaps: list[str]) -> None:
    if gaps:
        pytest.fail("the client asked for what the server lacks:\n" + "\n".join(gaps))
