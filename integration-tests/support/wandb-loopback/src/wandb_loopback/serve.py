"""Serves one state on one port of the loopback interface, until told to end."""

from pathlib import Path

import uvicorn

from wandb_loopback.api.app import create_app
from wandb_loopback.api.gate import Protocol
from wandb_loopback.process import url_of


def serve(state: Path, port: int) -> None:
    """Serve, and return only when the process is asked to end.

    Args:
        state: The directory of the state, which is made if need be.
        port: Where to listen; other machines cannot reach it.
    """
    uvicorn.run(
        create_app(state, url_of(port)),
        host="127.0.0.1",
        port=port,
        http=Protocol,
        ws="none",
        lifespan="off",
        log_level="warning",
        # A client keeps connections open between requests and takes it badly if one is closed
        # just as it sends the next.
        timeout_keep_alive=600,
        timeout_graceful_shutdown=1,
    )
