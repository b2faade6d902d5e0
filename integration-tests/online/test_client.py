"""A wandb process that does not end by itself."""

import pytest

from wandb_loopback import WandbServer
from wk_testing.scripts import run_script

SCRIPT = """
import os
import wandb
from wk_testing import client

wandb.init(project="p").log({"loss": 1.0})
client._TIMEOUT = 2
client.end_client()
print("went on", flush=True)
os._exit(0)
"""


@pytest.mark.backend_free
def test_it_is_ended(wandb_server: WandbServer):
    wandb_server.fail("file_stream")
    script = run_script(SCRIPT)
    assert script.stdout == "went on\n"
    assert "did not end by itself" in script.stderr
    assert "goroutine" in script.stderr  # where it stood
