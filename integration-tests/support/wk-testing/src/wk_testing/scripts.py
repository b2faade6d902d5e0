"""Runs Python code in a process of its own, as a user would."""

import os
import sys
from subprocess import CompletedProcess, run

from wk_testing.warm.interpreter import interpreter_for

# `keras.utils.set_random_seed` imports it on any backend, which takes longer than most scripts.
_WITHOUT_TENSORFLOW = """
import sys

class _WithoutTensorFlow:
    def find_spec(name, path=None, target=None):
        if name == "tensorflow":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, _WithoutTensorFlow)
"""


def run_script(
    source: str, *arguments: str, new_interpreter: bool = False, **environment: str
) -> CompletedProcess[str]:
    """Runs Python code; returns its exit status and what it printed.

    Where the system can, the process is a fork of one that has imported Keras and wandb already,
    which takes seconds. On JAX it runs as where TensorFlow is not installed.

    Args:
        source: The code. It can import this package.
        arguments: Its command line.
        new_interpreter: Whether nothing may be imported before the code runs.
        environment: Environment variables, besides those of this process.
    """
    inherited = {key: value for key, value in os.environ.items() if key != "WANDB_SERVICE"}
    variables = {**inherited, **environment}
    prelude = _WITHOUT_TENSORFLOW if variables.get("KERAS_BACKEND") == "jax" else ""
    if not new_interpreter and (interpreter := interpreter_for(prelude, variables)):
        return interpreter.run(source, arguments, variables)
    return run(
        [sys.executable, "-c", prelude + source, *arguments],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
