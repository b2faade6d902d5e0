"""Runs the server: `python -m server`, from the directory that holds the package."""

import argparse
import sys
import tempfile
from pathlib import Path

from server.process import client_environment, free_port
from server.serve import serve, url_of


def main() -> None:
    """Serve until interrupted, after printing what a client needs to know."""
    parser = argparse.ArgumentParser(prog="python -m server", description=__doc__)
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
