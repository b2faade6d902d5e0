"""What gradients and weights cost a training, as a part of a plain epoch on the same data.

    uv run integration-tests/benchmarks/legacy.py

prints the table of the documentation. Each backend has a process of its own, in which plain epochs
and what a logger does at an epoch's end take turns, so that all of them meet the same noise: the
ratios are medians over the rounds, in time, and in the time of all processors, which other
processes of the machine disturb less. Runs are offline.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BATCH = 32
MODELS = {"dense": 32_000, "convolutional": 6_400}
LOGGERS = ("GradientLogger", "WeightLogger")


def main() -> None:
    """Runs the benchmark, or the part of it that one process does."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="epochs of each contestant")
    parser.add_argument("--backend", nargs="+", default=["tensorflow", "jax"])
    parser.add_argument("--measure", choices=MODELS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.rounds)))
        return
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, ", end="")
    print(f"Python {platform.python_version()}; medians of {options.rounds} rounds, ", end="")
    print(f"training in batches of {BATCH}\n")
    print("| backend | model | plain epoch | callback | over an epoch, time | processor | waits |")
    print("|---|---|---:|---|---:|---:|---:|")
    for backend in options.backend:
        for model in MODELS:
            for row in in_own_process(backend, model, options.rounds):
                print(f"| {backend} | {model} | " + " | ".join(row) + " |", flush=True)


def in_own_process(backend: str, model: str, rounds: int) -> list[list[str]]:
    """Returns the table's rows for a backend and a model."""
    with tempfile.TemporaryDirectory() as directory:
        output = subprocess.run(
            [sys.executable, __file__, "--measure", model, "--rounds", str(rounds)],
            env={
                **os.environ,
                "KERAS_BACKEND": backend,
                "TF_CPP_MIN_LOG_LEVEL": "3",
                "WANDB_DIR": directory,
                "WANDB_MODE": "offline",
                "WANDB_SILENT": "true",
            },
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
    rows: list[list[str]] = json.loads(output.splitlines()[-1])
    return rows


@dataclass
class Times:
    """What something took, in seconds.

    Attributes:
        wall: Of time.
        processor: Of all processors.
        waits: The part of the time for which training waits.
    """

    wall: float
    processor: float
    waits: float = 0.0


def measure(name: str, rounds: int) -> list[list[str]]:
    """Measures plain epochs and both loggers' work at an epoch's end, in turns."""
    import wandb

    model, x, y = prepare(name)
    with wandb.init(project="benchmark") as run:
        ends = {name: end_of_epoch(name, model, (x, y), run) for name in LOGGERS}
        results: dict[str, list[Times]] = {name: [] for name in ("epoch", *LOGGERS)}
        for round_number in range(rounds + 1):
            epoch = timed(lambda: model.fit(x, y, batch_size=BATCH, verbose=0))
            taken = {"epoch": epoch, **{name: end() for name, end in ends.items()}}
            if round_number > 0:  # the first one compiles
                for contestant, times in taken.items():
                    results[contestant].append(times)
    plain = results.pop("epoch")
    return [
        [
            f"{statistics.median(times.wall for times in plain):.2f} s",
            f"`{contestant}`",
            *(
                f"{100 * median_ratio(times, plain, figure):.2f} %"
                for figure in ("wall", "processor", "waits")
            ),
        ]
        for contestant, times in results.items()
    ]


def median_ratio(times: list[Times], plain: list[Times], figure: str) -> float:
    """Returns the median of the rounds' ratios over the plain epoch."""
    against = "processor" if figure == "processor" else "wall"
    ratios: list[float] = [
        getattr(mine, figure) / getattr(epoch, against)
        for mine, epoch in zip(times, plain, strict=True)
    ]
    return statistics.median(ratios)


def prepare(name: str) -> tuple[Any, Any, Any]:
    """Returns a model as Keras' examples have it, and noise in the shape of MNIST."""
    import keras
    import numpy as np

    layers = keras.layers
    if name == "dense":
        shape: tuple[int, ...] = (784,)
        body = [
            layers.Dense(512, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(512, activation="relu"),
            layers.Dropout(0.2),
        ]
    else:
        shape = (28, 28, 1)
        body = [
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.5),
        ]
    model = keras.Sequential([keras.Input(shape), *body, layers.Dense(10, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    generator = np.random.default_rng(0)
    x = generator.random((MODELS[name], *shape), dtype="float32")
    return model, x, generator.integers(0, 10, len(x))


def end_of_epoch(name: str, model: Any, data: Any, run: Any) -> Callable[[], Times]:
    """Returns a function that does what a logger does at the end of an epoch, and logs the row."""
    from wk_legacy.gradient_part import GradientPart
    from wk_legacy.weight_part import WeightPart

    part = GradientPart(data) if name == "GradientLogger" else WeightPart()
    part.begin(model)

    def end() -> Times:
        started, processor = time.perf_counter(), time.process_time()
        make_row = part.take(0)
        waits = time.perf_counter() - started
        run.log({"epoch": 0, **make_row()})
        return Times(time.perf_counter() - started, time.process_time() - processor, waits)

    return end


def timed(task: Callable[[], Any]) -> Times:
    """Returns what a task takes."""
    started, processor = time.perf_counter(), time.process_time()
    task()
    return Times(time.perf_counter() - started, time.process_time() - processor)


if __name__ == "__main__":
    sys.path = [entry for entry in sys.path if Path(entry) != Path(__file__).parent]
    main()
