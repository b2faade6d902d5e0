"""What a checkpoint costs a training, with wk's callback, with W&B's own and with Keras' own.

    uv run integration-tests/benchmarks/model_checkpoint.py

prints the tables of the docs, for a state (weights and Adam's moments) of 200 MB and of 1 GB;
`--state 50` tries it with a small one. For the times each backend has a process of its own, in
which the contestants take turns, and in their fits every second epoch ends without a checkpoint:
what one costs is the difference between two epochs that follow each other, and so meet the same
noise. For the memory each contestant has a process. Runs are offline, and everything is written to
one directory.

A virtual machine may get its memory from the host page by page, and give it back when it is idle:
such a page costs ten times what it costs to write it. So each fit whose time is taken begins with
memory at hand, as after hours of training. Linux may give it back within seconds, though, in the
middle of a fit; so that it keeps what it has, say before, as root,

    echo 11 > /sys/module/page_reporting/parameters/page_reporting_order
"""

import argparse
import contextlib
import importlib
import json
import math
import mmap
import os
import platform
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wk_testing.benchmarks import measured

UNITS = 2048
LAYER = UNITS * UNITS * 4 * 3 / 1e6  # MB of state: a matrix of weights, and Adam's two of it
BATCH = 8
NONE, OURS = "no callback", "**`wk_checkpoint`**"
THEIRS, KERAS = "`wandb.integration.keras`", "`keras.callbacks`"
COPY = "a copy of the state"
CONTESTANTS = {
    "tensorflow": (OURS, THEIRS, KERAS),
    "jax": (OURS, KERAS, COPY),  # W&B's own needs TensorFlow's Keras
}
PAGES = 5  # times the state, for each checkpoint: memory that a fit finds at hand
MEMORY = 8e9  # bytes of it at most
LONG = 20  # how many saves the epochs of the last table last
HEADS = {
    "times": "| backend | state | callback | training waits | costs training | processor |\n"
    "|---|---:|---|---:|---:|---:|",
    "space": "| backend | state | callback | memory | disk, at most | disk, kept |\n"
    "|---|---:|---|---:|---:|---:|",
    "long_epochs": f"| backend | state | epochs of {LONG} saves, with over without a checkpoint |\n"
    "|---|---:|---:|",
}


def main() -> None:
    """Runs the benchmark, or the part of it that one process does."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--state", type=int, nargs="+", default=[200, 1000], help="sizes in MB")
    parser.add_argument("--long-state", type=int, default=200, help="size for long epochs, in MB")
    parser.add_argument("--rounds", type=int, default=3, help="fits of each contestant")
    parser.add_argument("--checkpoints", type=int, default=6, help="checkpoints of a fit")
    parser.add_argument("--backend", nargs="+", choices=CONTESTANTS, default=[*CONTESTANTS])
    parser.add_argument("--tables", nargs="+", choices=MEASUREMENTS, default=[*MEASUREMENTS])
    parser.add_argument("--measure", choices=MEASUREMENTS, help=argparse.SUPPRESS)
    parser.add_argument("--contestant", default=NONE, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(MEASUREMENTS[options.measure](options)))
        return
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, ", end="")
    print(f"Python {platform.python_version()}; medians of {options.rounds} fits, ", end="")
    print(f"{options.checkpoints} checkpoints each\n")
    for table in options.tables:
        print(HEADS[table])
        if table == "long_epochs":
            options.state = [options.long_state]
        print_rows(options, table)
        print()


def print_rows(options: argparse.Namespace, measurement: str) -> None:
    """Prints the rows of one of the tables."""
    for backend in options.backend:
        for state in options.state:
            contestants = CONTESTANTS[backend] if measurement == "space" else [NONE]
            for contestant in contestants:
                if contestant == COPY:
                    continue
                for row in in_own_process(options, measurement, backend, state, contestant):
                    print(f"| {backend} | {state} MB | {' | '.join(row)} |", flush=True)


def in_own_process(
    options: argparse.Namespace, measurement: str, backend: str, state: int, contestant: str
) -> list[list[str]]:
    """Returns rows that a process of their own has measured."""
    choices = ["--contestant", contestant, "--state", str(state)]
    choices += ["--rounds", str(options.rounds), "--checkpoints", str(options.checkpoints)]
    rows: list[list[str]] = measured(__file__, measurement, *choices, backend=backend)
    return rows


@dataclass
class Times:
    """What a fit took, in seconds.

    Attributes:
        hooks: How long training waited at each end of an epoch with a checkpoint.
        cost: What each checkpoint cost: from the last batch of the epoch that ends with it to that
            of the next, less the same after an epoch that ends without one.
        processor: The same, in the time of all cores.
        ratio: How long the first of those epochs took, over the second.
        total: The whole fit, the last checkpoint's end included.
    """

    hooks: list[float] = field(default_factory=list)
    cost: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    ratio: list[float] = field(default_factory=list)
    total: float = 0.0


class Trainer:
    """A model with a state of a certain size, and fits of it.

    Args:
        state: The size in MB.
    """

    def __init__(self, state: int) -> None:
        import keras
        import numpy as np

        self._keras = keras
        generator = np.random.default_rng(0)
        self._batch = generator.random((2, BATCH, UNITS), dtype="float32")
        layers = [keras.layers.Dense(UNITS, use_bias=False) for _ in range(round(state / LAYER))]
        self.model = keras.Sequential([keras.Input((UNITS,)), *layers])
        self.model.compile("adam", "mse")
        self.bytes = len(layers) * LAYER * 1e6

    def fit(self, contestant: str, epochs: int, steps: int, *, every: int = 1) -> Times:
        """Fits with a checkpoint at the end of each epoch, or of every second, in its own run."""
        import wandb

        with wandb.init(project="benchmark"):
            times = self._timed_fit(self.callbacks(contestant), epochs, steps, every)
        os.sync()  # What one contestant left to the disk is not the next one's affair.
        return times

    def callbacks(self, contestant: str) -> list[Any]:
        """Returns the callbacks of a contestant."""
        if contestant == OURS:
            return [importlib.import_module("wk_checkpoint").WandbModelCheckpoint("model.keras")]
        if contestant == THEIRS:
            module = importlib.import_module("wandb.integration.keras")
            return [module.WandbModelCheckpoint("model.keras")]
        if contestant == KERAS:
            return [self._keras.callbacks.ModelCheckpoint("model.keras")]
        if contestant == COPY:
            return [self._keras.callbacks.LambdaCallback(on_epoch_end=self._copy)]
        return []

    def _timed_fit(self, callbacks: list[Any], epochs: int, steps: int, every: int) -> Times:
        times = Times()
        # wk takes its snapshot when the list has called all callbacks: the clock is around that.
        called = self._keras.callbacks.CallbackList(
            callbacks, add_history=True, model=self.model, epochs=epochs, steps=steps
        )
        end_epoch = called.on_epoch_end
        trained: list[tuple[float, float]] = []

        def timed(epoch: int, logs: Any = None) -> None:
            trained.append((time.perf_counter(), time.process_time()))
            if epoch % every == 0:
                end_epoch(epoch, logs)
                times.hooks.append(time.perf_counter() - trained[-1][0])

        called.on_epoch_end = timed
        batches = (tuple(self._batch) for _ in range(epochs * steps))
        started = time.perf_counter()
        self.model.fit(
            batches,
            steps_per_epoch=steps,
            epochs=epochs,
            shuffle=False,
            verbose=0,
            callbacks=called,
        )
        times.total = time.perf_counter() - started
        for start, middle, end in zip(trained[::2], trained[1::2], trained[2::2], strict=False):
            times.cost.append(2 * middle[0] - start[0] - end[0])
            times.ratio.append((middle[0] - start[0]) / (end[0] - middle[0]))
            times.processor.append(2 * middle[1] - start[1] - end[1])
        return times

    def _copy(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        variables = [*self.model.variables, *self.model.optimizer.variables]
        for copy in [self._keras.ops.copy(variable.value) for variable in variables]:
            copy.block_until_ready()

    def save_time(self) -> float:
        """Returns how long one of our checkpoints takes, from the snapshot until it is in place."""
        with_one, without = [], []
        for _ in range(2):
            with_one.append(self.fit(OURS, 1, 2).total)
            without.append(self.fit(NONE, 1, 2).total)
        return min(with_one) - min(without)

    def steps_for(self, seconds: float) -> int:
        """Returns how many steps take so long."""
        few, many = (min(self.fit(NONE, 1, steps).total for _ in range(2)) for steps in (5, 45))
        return max(2, math.ceil(seconds / ((many - few) / 40)))


def measure_times(options: argparse.Namespace) -> list[list[str]]:
    """Measures every contestant, in turns; the epochs are twice as long as our save."""
    trainer = Trainer(options.state[0])
    contestants = CONTESTANTS[os.environ["KERAS_BACKEND"]]
    for contestant in contestants:
        trainer.fit(contestant, 1, 2)  # compiles, imports
    steps = trainer.steps_for(2 * trainer.save_time())
    results: dict[str, list[Times]] = {name: [] for name in contestants}
    for _ in range(options.rounds):
        for name in contestants:
            touch_memory(min(MEMORY, PAGES * options.checkpoints * trainer.bytes))
            results[name].append(trainer.fit(name, 2 * options.checkpoints + 1, steps, every=2))
    return [
        [name, *(milliseconds(median(times, figure)) for figure in ("hooks", "cost", "processor"))]
        for name, times in results.items()
    ]


def touch_memory(size: float) -> None:
    """Has the machine hold so many bytes of free memory that it has already been given."""
    with mmap.mmap(-1, int(size)) as pages:
        for start in range(0, len(pages), mmap.PAGESIZE):
            pages[start] = 1


def median(times: list[Times], figure: str) -> float:
    """Returns the median over all checkpoints of all fits: one that was disturbed counts little."""
    values: list[float] = [value for fit in times for value in getattr(fit, figure)]
    return statistics.median(values)


def milliseconds(seconds: float) -> str:
    """Returns a time for the table."""
    return f"{seconds * 1e3:,.1f} ms"


def measure_long_epochs(options: argparse.Namespace) -> list[list[str]]:
    """Compares epochs with and without a checkpoint that last many times as long as a save."""
    trainer = Trainer(options.state[0])
    trainer.fit(NONE, 1, 2)
    steps = trainer.steps_for(LONG * trainer.save_time())
    fits = []
    for _ in range(options.rounds):
        touch_memory(min(MEMORY, PAGES * options.checkpoints * trainer.bytes))
        fits.append(trainer.fit(OURS, 2 * options.checkpoints + 1, steps, every=2))
    return [[f"{median(fits, 'ratio'):.3f}"]]


def measure_space(options: argparse.Namespace) -> list[list[str]]:
    """Measures a contestant's memory and disk beyond those of the same fit without it."""
    trainer = Trainer(options.state[0])
    trainer.fit(NONE, 1, 2)
    with peak_memory() as alone:
        trainer.fit(NONE, 2, 10)
    steps = trainer.steps_for(2 * trainer.bytes / 200e6)
    before = disk_usage(Path())
    with peak_memory() as ours, peak_disk(Path()) as disk:
        trainer.fit(options.contestant, options.checkpoints, steps)
    memory = ours[0] - alone[0]
    sizes = (memory, disk[0] - before, disk_usage(Path()) - before)
    return [[options.contestant, *(f"{size / trainer.bytes:.2f}" for size in sizes)]]


@contextlib.contextmanager
def peak_memory() -> Iterator[list[int]]:
    """Gives a list that will hold the largest resident size of this process within the block."""
    Path("/proc/self/clear_refs").write_text("5")
    result: list[int] = []
    yield result
    lines = Path("/proc/self/status").read_text().splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM"))
    result.append(int(peak) * 1024)


@contextlib.contextmanager
def peak_disk(directory: Path) -> Iterator[list[int]]:
    """Gives a list that will hold the most that a directory takes within the block."""
    result = [0]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.01):
            result[0] = max(result[0], disk_usage(directory))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield result
    finally:
        over.set()
        watcher.join()


def disk_usage(directory: Path) -> int:
    """Returns how many bytes a directory takes; what has two names counts once."""
    sizes = {}
    for parent, _, names in os.walk(directory):
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # removed in the meantime
                entry = Path(parent, name).stat()
                sizes[entry.st_ino] = entry.st_blocks * 512
    return sum(sizes.values())


MEASUREMENTS: dict[str, Callable[[argparse.Namespace], list[list[str]]]] = {
    "times": measure_times,
    "space": measure_space,
    "long_epochs": measure_long_epochs,
}


if __name__ == "__main__":
    sys.path = [entry for entry in sys.path if Path(entry) != Path(__file__).parent]
    main()
