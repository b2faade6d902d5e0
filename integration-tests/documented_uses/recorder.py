"""The directory and the runs of one use, and what they hold in the end."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import wandb

from documented_uses.facts.files import disk_facts
from documented_uses.facts.run import run_facts
from documented_uses.facts.values import plain, short
from wk_core.compat.keras.flavour import values_of
from wk_testing.wandb_file import RunFile, read_run

RUNS: Final = "wandb-runs"  # beside what the use itself writes


class Recorder:
    """Starts the runs of a use in its directory, and collects its facts.

    Args:
        directory: An empty directory.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._runs_directory = directory / RUNS
        self._runs_directory.mkdir()
        self._runs: dict[str, Path] = {}
        self._noted: dict[str, Any] = {}

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Makes the directory the current one, where also wandb writes."""
        before = os.environ.get("WANDB_DIR")
        os.environ["WANDB_DIR"] = str(self._runs_directory)
        try:
            with contextlib.chdir(self._directory):
                yield
        finally:
            if before is None:
                del os.environ["WANDB_DIR"]
            else:
                os.environ["WANDB_DIR"] = before

    @contextlib.contextmanager
    def run(self, name: str = "run", **arguments: Any) -> Iterator[wandb.Run]:
        """Starts an offline run, unless told otherwise, with `name` as its id; finishes it."""
        label = name
        if name in self._runs:
            label = f"{name}, again"
            time.sleep(1)  # wandb names directories by the second
        given: dict[str, Any] = {
            "project": "uses",
            "mode": "offline",
            "id": name,
            "dir": self._runs_directory,
        }
        run = wandb.init(**given | arguments)
        try:
            yield run
        finally:
            run.finish()
        if not run.disabled:
            self._runs[label] = Path(run.settings.sync_dir)

    def written(self, name: str = "run") -> RunFile:
        """Returns what a finished run has written."""
        return read_run(self._runs[name])

    def note(self, name: str, value: Any) -> None:
        """Adds a fact.

        Args:
            name: What it says.
            value: A number, a text, an array, or lists and dictionaries of them.
        """
        self._noted[name] = plain(value)

    def weights(self, name: str, model: Any) -> None:
        """Adds the weights of a model, all in one list."""
        values = [number for array in values_of(model.weights) for number in array.ravel()]
        self._noted[name] = short(values)

    def facts(self) -> dict[str, Any]:
        """Returns what the runs have written, what was noted, and the files on the disk."""
        facts = {name: run_facts(read_run(place)) for name, place in self._runs.items()}
        if self._noted:
            facts["noted"] = self._noted
        files = disk_facts(self._directory, leave_out=[RUNS])
        if files:
            facts["files"] = files
        return facts
