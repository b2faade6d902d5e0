"""Runs Python code in a process of its own, as a user would."""

import os
import sys
from subprocess import CompletedProcess, run

# `keras.utils.set_random_seed` imports it on any backend, which takes longer than most scripts.
_WITHOUT_TENSORFLOW = """
import sys

class _WithoutTensorFlow:
    def find_spec(name, path=None, target=None):
        if name == "tensorflow":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, _WithoutTensorFlow)
"""


def run_script(source: str, *arguments: str, **environment: str) -> CompletedProcess[str]:
    """Runs Python code; returns its exit status and what it printed.

    On JAX it runs as where TensorFlow is not installed.

    Args:
        source: The code. It can import this package.
        arguments: Its command line.
        environment: Environment variables, besides those of this process.
    """
    inherited = {key: value for key, value in os.environ.items() if key != "WANDB_SERVICE"}
    variables = {**inherited, **environment}
    if variables.get("KERAS_BACKEND") == "jax":
        source = _WITHOUT_TENSORFLOW + source
    return run(
        [sys.executable, "-c", source, *arguments],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
