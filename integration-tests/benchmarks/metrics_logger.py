"""What `WandbMetricsLogger` costs a training, beside W&B's own and beside no callback at all.

    uv run integration-tests/benchmarks/metrics_logger.py

prints the table of the README. Each backend has a process of its own, in which the contestants
take turns, so that all of them meet the same noise. Runs are offline.
"""

import argparse
import contextlib
import importlib
import json
import os
import platform
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from wk_testing.benchmarks import measured

BATCHES = 300
NONE, THEIRS, OURS = "no callback", "`wandb.integration.keras`", "**`wk_metrics`**"
CONTESTANTS = (NONE, THEIRS, OURS)
SETTINGS = (
    ('`"epoch"`', "epoch", "constant"),
    ('`"batch"`', "batch", "constant"),
    ('`"batch"`, scheduled rate', "batch", "schedule"),
)


def main() -> None:
    """Runs the benchmark, or the part of it that one process does."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="fits of each contestant")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.rounds)))
        return
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, ", end="")
    print(f"Python {platform.python_version()}; {BATCHES} batches a fit, {arguments.rounds} fits\n")
    print("| backend | `log_freq` | callback | training thread, µs a batch | fit, ms | over none |")
    print("|---|---|---|---:|---:|---:|")
    for backend in ("tensorflow", "jax"):
        for row in measured_in_own_process(backend, arguments.rounds):
            print(f"| {backend} | " + " | ".join(row) + " |")
    print(f"\n{import_times(arguments.rounds)}")


def measured_in_own_process(backend: str, rounds: int) -> list[list[str]]:
    """Returns the table's rows for a backend."""
    rows: list[list[str]] = measured(__file__, "--rounds", str(rounds), backend=backend)
    return rows


def measure(rounds: int) -> list[list[str]]:
    """Measures every setting with every contestant, in turns."""
    rows = []
    for title, log_freq, rate in SETTINGS:
        fit = prepare(rate)
        results: dict[str, list[tuple[float, float]]] = {name: [] for name in CONTESTANTS}
        for round_number in range(rounds + 1):
            for name in CONTESTANTS:
                result = timed_fit(fit, name, log_freq)
                if round_number > 0 and result is not None:  # the first one compiles
                    results[name].append(result)
        rows += [[title, name, *figures(results[name], results[NONE])] for name in results]
    return rows


def figures(results: list[tuple[float, float]], alone: list[tuple[float, float]]) -> list[str]:
    """Returns what the table says of a contestant, given the fits without a callback."""
    if not results:
        return ["`fit` raises", "", ""]
    hooks = statistics.median(hook for _, hook in results) / BATCHES
    wall = statistics.median(wall for wall, _ in results)
    ratio = statistics.median(
        mine / without for (mine, _), (without, _) in zip(results, alone, strict=True)
    )
    return [f"{hooks * 1e6:.1f}", f"{wall * 1e3:.0f}", f"{ratio:.2f}"]


def prepare(rate: str) -> Callable[[list[Any]], None]:
    """Returns a function that fits a small convolutional network with given callbacks."""
    import keras
    import numpy as np

    generator = np.random.default_rng(0)
    x = generator.random((BATCHES * 32, 8, 8, 1), dtype="float32")
    y = generator.integers(0, 10, len(x))
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(16, 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(10),
        ]
    )
    schedule = keras.optimizers.schedules.CosineDecay(1e-3, 10_000)
    model.compile(
        keras.optimizers.Adam(1e-3 if rate == "constant" else schedule),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )

    def fit(callbacks: list[Any]) -> None:
        model.fit(x, y, batch_size=32, verbose=0, shuffle=False, callbacks=callbacks)

    return fit


def timed_fit(
    fit: Callable[[list[Any]], None], contestant: str, log_freq: str
) -> tuple[float, float] | None:
    """Returns a fit's wall time and the part of it spent in the callback's batch hooks.

    None where the callback makes `fit` raise, as W&B's own does with a schedule on JAX.
    """
    import wandb

    callbacks: list[Any] = []
    hooks = HookTimer()
    with wandb.init(project="benchmark"):
        if contestant == THEIRS:
            module = importlib.import_module("wandb.integration.keras")
            callbacks = [module.WandbMetricsLogger(log_freq)]
        elif contestant == OURS:
            module = importlib.import_module("wk_metrics")
            callbacks = [module.WandbMetricsLogger(log_freq)]
        for callback in callbacks:
            hooks.time(callback)
        started = time.perf_counter()
        try:
            fit(callbacks)
        except AttributeError:
            if contestant != THEIRS:
                raise
            return None
        wall = time.perf_counter() - started
    return wall, hooks.seconds


class HookTimer:
    """Sums the time that a callback's batch hooks take in the thread that trains."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._trainer = threading.get_ident()

    def time(self, callback: Any) -> None:
        """Puts a clock around the batch hooks that the callback overrides."""
        for name in ("on_train_batch_begin", "on_train_batch_end"):
            hook = getattr(callback, name)
            if not getattr(hook, "_is_default", False):
                setattr(callback, name, self._timed(hook))

    def _timed(self, hook: Callable[..., None]) -> Callable[..., None]:
        def timed(batch: int, logs: Any = None) -> None:
            with self._clock():
                hook(batch, logs)

        return timed

    @contextlib.contextmanager
    def _clock(self) -> Iterator[None]:
        started = time.perf_counter()
        yield
        if threading.get_ident() == self._trainer:
            self.seconds += time.perf_counter() - started


def import_times(rounds: int) -> str:
    """Returns a sentence on what importing wk_metrics costs over importing keras and wandb."""
    code = (
        "import time, keras, wandb; started = time.perf_counter(); import wk_metrics; "
        "print(time.perf_counter() - started)"
    )
    seconds = [
        float(
            subprocess.run(
                [sys.executable, "-c", code],
                env={**os.environ, "KERAS_BACKEND": "jax"},
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                check=True,
            ).stdout
        )
        for _ in range(rounds)
    ]
    median = statistics.median(seconds) * 1e3
    return f"`import wk_metrics` after `import keras, wandb`: {median:.0f} ms."


if __name__ == "__main__":
    sys.path = [entry for entry in sys.path if Path(entry) != Path(__file__).parent]
    main()
