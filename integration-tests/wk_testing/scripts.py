"""Runs Python code in a process of its own, as a user would."""

import os
import sys
from pathlib import Path
from subprocess import CompletedProcess, run

_TREE = Path(__file__).parent.parent


def run_script(source: str, *arguments: str, **environment: str) -> CompletedProcess[str]:
    """Runs Python code; returns its exit status and what it printed.

    Args:
        source: The code. It can import this package.
        arguments: Its command line.
        environment: Environment variables, besides those of this process.
    """
    inherited = {key: value for key, value in os.environ.items() if key != "WANDB_SERVICE"}
    path = os.pathsep.join(filter(None, [str(_TREE), os.environ.get("PYTHONPATH")]))
    return run(
        [sys.executable, "-c", source, *arguments],
        env={**inherited, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
