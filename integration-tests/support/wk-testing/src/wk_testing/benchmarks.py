"""Benchmarks measure in a process of their own for each backend, offline and in an empty folder."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any


def measured(script: str, *arguments: str, backend: str) -> Any:
    """Runs a benchmark's script with `--measure`; returns what its last line says, as JSON.

    Args:
        script: The path of the script.
        arguments: Its further arguments.
        backend: The backend of Keras.
    """
    with tempfile.TemporaryDirectory() as directory:
        output = subprocess.run(
            [sys.executable, Path(script).resolve(), "--measure", *arguments],
            env={
                **os.environ,
                "KERAS_BACKEND": backend,
                "TF_CPP_MIN_LOG_LEVEL": "3",
                "TMPDIR": directory,
                "WANDB_CACHE_DIR": directory,
                "WANDB_DATA_DIR": directory,
                "WANDB_DIR": directory,
                "WANDB_MODE": "offline",
                "WANDB_SILENT": "true",
            },
            cwd=directory,
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
    return json.loads(output.splitlines()[-1])
