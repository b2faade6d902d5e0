"""Runs an example as a user does."""

from pathlib import Path
from subprocess import CompletedProcess
from typing import Final

from wk_testing.scripts import run_script

__all__ = ["EXAMPLES", "run_example"]

EXAMPLES: Final = Path(__file__).parents[2] / "examples"

# Without what the suite sets, so that the example alone says where its run goes.
_RUN: Final = """
import os
import runpy
import sys

directory, data, script, *arguments = sys.argv[1:]
for name in [name for name in os.environ if name.startswith("WANDB_")]:
    del os.environ[name]
os.environ["WANDB_DATA_DIR"] = data
os.chdir(directory)
sys.argv = [script, *arguments]
sys.path[0] = os.path.dirname(script)
runpy.run_path(script, run_name="__main__")
"""


def run_example(name: str, *arguments: str, directory: Path) -> CompletedProcess[str]:
    """Runs an example, which must succeed; returns what it printed.

    Args:
        name: The name of its file.
        arguments: Its command line.
        directory: The directory that it runs in.
    """
    path = str(EXAMPLES / name)
    process = run_script(_RUN, str(directory), str(directory), path, *arguments)
    assert process.returncode == 0, process.stderr
    return process
