"""What a documented use is, and the list of them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from documented_uses.recorder import Recorder

Body = Callable[[Recorder], None]


class NotPossibleError(Exception):
    """A use is not possible with what is installed, which shows only when it is tried."""


@dataclass(frozen=True)
class Use:
    """A documented use.

    Attributes:
        name: Its module and its function, as `metrics.epochs`.
        body: Trains in the current directory, with the runs of a recorder.
        missing: Why there is no such use here; empty where there is one.
    """

    name: str
    body: Body
    missing: str = ""

    def facts(self) -> dict[str, Any]:
        """Returns what the use has written, found on the disk once its runs have finished.

        Raises:
            NotPossibleError: If it is not possible with what is installed.
        """
        if self.missing:
            raise NotPossibleError(self.missing)
        # wandb's process may still hold a file of a run that was never finished
        with TemporaryDirectory(ignore_cleanup_errors=True) as name:
            recorder = Recorder(Path(name))
            with recorder.inside():
                self.body(recorder)
            return recorder.facts()


USES: dict[str, Use] = {}
"""Every use, by its name."""


def use(*, missing: str = "") -> Callable[[Body], Body]:
    """Adds a function to the documented uses.

    Args:
        missing: Why this use is not possible with this backend or version; empty if it is.
    """

    def add(body: Body) -> Body:
        name = f"{body.__module__.rpartition('.')[2]}.{body.__name__}"
        USES[name] = Use(name, body, missing)
        return body

    return add
