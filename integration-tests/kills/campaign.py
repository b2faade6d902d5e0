"""Killing writers at random moments, and looking at what they leave."""

import contextlib
import multiprocessing
import random
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from kills.reading import number_in
from kills.writer import write_until_killed

__all__ = ["TARGETS", "Tally", "Target", "run_campaign"]

_DRAFTS: Final = ".wk-unfinished-*"
_LONGEST_WAIT: Final = 1.0  # seconds from the first checkpoint to the kill: several saves
_STEPS: Final = 10_000  # more than a writer ever does
_TRIES: Final = 4  # kills for one that is to fall into a save, at most


@dataclass(frozen=True)
class Target:
    """Something to save to.

    Attributes:
        title: What the table calls it.
        name: The last part of the path.
        contestant: Who saves: `"wk"` or `"keras"`.
    """

    title: str
    name: str
    contestant: str = "wk"


TARGETS: Final = (
    Target("`model.keras`", "model.keras"),
    Target("`model.weights.h5`", "model.weights.h5"),
    Target("`models` (SavedModel)", "models"),
    Target("Keras' own `ModelCheckpoint`, `model.keras`", "model.keras", "keras"),
)


@dataclass
class Tally:
    """What the kills of one target's writers have left.

    Attributes:
        target: The target.
        kills: How many writers were killed.
        during_save: How many of them were saving: they left a draft.
        loadable: After how many kills the path named one whole checkpoint.
        litter: How many entries beside it a later save has not cleaned up.
        broken: What was wrong after the others.
    """

    target: Target
    kills: int = 0
    during_save: int = 0
    loadable: int = 0
    litter: int = 0
    broken: list[str] = field(default_factory=list)

    @property
    def row(self) -> str:
        """The table's row."""
        ours = self.target.contestant == "wk"
        cells = (
            self.target.title,
            self.kills,
            self.during_save if ours else "",
            self.loadable,
            len(self.broken),
            self.litter if ours else "",
        )
        return f"| {' | '.join(map(str, cells))} |"


def run_campaign(kills: int, seed: int, directory: Path, at_once: int) -> list[Tally]:
    """Kills writers to each of the targets in turn.

    Args:
        kills: How many of wk's are killed while they save; those that are killed at another moment
            come on top. Keras' own are killed as often as those of one target.
        seed: Decides the moments.
        directory: An empty directory to work in.
        at_once: How many writers run at once.
    """
    # Its server imports everything once, and forks a writer in no time.
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["kills.writer"])
    ours = [target for target in TARGETS if target.contestant == "wk"]
    shares = {
        target: kills // len(ours) + (number < kills % len(ours))
        for number, target in enumerate(ours)
    }
    with ThreadPoolExecutor(at_once) as pool:
        tallies = [
            pool.submit(
                _kill_writers,
                target,
                shares.get(target, kills // len(ours)),
                random.Random(f"{seed} {target}"),
                directory / str(number),
                processes,
            )
            for number, target in enumerate(TARGETS)
        ]
        return [tally.result() for tally in tallies]


def _kill_writers(
    target: Target, kills: int, moments: random.Random, directory: Path, processes: Any
) -> Tally:
    """Starts writers to one path, one after the other, and kills each."""
    tally = Tally(target)
    path = directory / "checkpoints" / target.name
    while tally.during_save < kills and tally.kills < _TRIES * kills:
        start = tally.kills * _STEPS
        with _writer(target, path, start, directory / "run", processes) as writer:
            drafts = {*path.parent.glob(_DRAFTS)}
            tally.litter += sum(f"-{writer.pid}-" not in draft.name for draft in drafts)
            time.sleep(moments.uniform(0, _LONGEST_WAIT))
        tally.kills += 1
        # Nothing tells whether Keras' own was saving: it is taken to do so all the time.
        theirs = target.contestant == "keras"
        tally.during_save += theirs or any(path.parent.glob(f".wk-unfinished-{writer.pid}-*"))
        _look_at(path, start, tally)
        shutil.rmtree(directory / "run", ignore_errors=True)
    return tally


@contextlib.contextmanager
def _writer(
    target: Target, path: Path, start: int, directory: Path, processes: Any
) -> Iterator[Any]:
    """Runs a writer, from its first checkpoint until it is killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    directory.mkdir()
    ready = processes.Event()
    writer = processes.Process(
        target=write_until_killed, args=(path, start, directory, target.contestant, ready)
    )
    writer.start()
    try:
        while not ready.wait(1):
            if not writer.is_alive():
                raise RuntimeError(f"the writer to {path} ended with status {writer.exitcode}")
        yield writer
        if not writer.is_alive():
            raise RuntimeError(f"the writer to {path} ended by itself")
    finally:
        writer.kill()
        writer.join()


def _look_at(path: Path, start: int, tally: Tally) -> None:
    """Loads what the path names: a checkpoint of the last writer, whole."""
    try:
        number = number_in(path)
        if not start < number < start + _STEPS:
            raise ValueError(f"an old checkpoint: step {number}, not of those after {start}")
    except Exception as error:  # whatever stops it from loading is what is counted here
        tally.broken.append(f"{type(error).__name__}: {error}".splitlines()[0])
    else:
        tally.loadable += 1
