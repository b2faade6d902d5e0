"""Runs the server: `wandb-loopback`, or `python -m wandb_loopback`."""

import argparse
import sys
import tempfile
from pathlib import Path

from wandb_loopback.process import client_environment, free_port, url_of
from wandb_loopback.serve import serve


def main() -> None:
    """Serve until interrupted, after printing what a client needs to know."""
    parser = argparse.ArgumentParser(prog="wandb-loopback", description=__doc__)
    parser.add_argument("--port", type=int, help="the port; by default one that is free")
    parser.add_argument(
        "--state", type=Path, help="where to keep the state; by default a new place"
    )
    options = parser.parse_args()
    port = options.port or free_port()
    state = options.state or Path(tempfile.mkdtemp(prefix="wandb-server-"))
    print(f"# A W&B server for tests at {url_of(port)}, with its state in {state}")
    for name, value in client_environment(url_of(port)).items():
        print(f"export {name}={value}")
    sys.stdout.flush()
    serve(state, port)


if __name__ == "__main__":
    main()
