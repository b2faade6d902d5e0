"""No test can reach a real service: the fixtures see to it, and this shows that they do."""

import socket

import pytest
import wandb

from wk_testing.scripts import run_script

pytestmark = pytest.mark.backend_free


@pytest.mark.parametrize(
    "address", [("192.0.2.1", 443), ("api.wandb.ai", 443), ("2001:db8::1", 443)]
)
def test_no_connection_leaves_the_machine(address):
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with (
        socket.socket(family) as connection,
        pytest.raises(ConnectionRefusedError, match="Tests must"),
    ):
        connection.connect(address)


def test_loopback_is_open():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()


def test_runs_are_offline_unless_they_say_otherwise(tmp_path):
    with wandb.init(dir=tmp_path) as run:
        assert run.settings.mode == "offline"
    assert run.settings.base_url == "http://127.0.0.1:9"


def test_an_online_run_finds_no_server(tmp_path):
    process = run_script(
        "import sys, wandb\n"
        "settings = wandb.Settings(init_timeout=5)\n"
        "wandb.init(project='test', mode='online', dir=sys.argv[1], settings=settings)",
        str(tmp_path),
    )
    assert process.returncode != 0
    assert "CommError" in process.stderr or "timed out" in process.stderr
