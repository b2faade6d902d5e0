"""Fixtures that give a test a server of its own and a wandb client that knows nothing yet."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from server.commands import WandbServer
from wk_testing.client import end_client

__all__ = ["wandb_server"]

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
    if gaps:
        pytest.fail("the client asked for what the server lacks:\n" + "\n".join(gaps))
