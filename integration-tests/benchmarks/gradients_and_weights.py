"""What gradients and weights cost a training, as a part of a plain epoch on the same data.

    uv run integration-tests/benchmarks/gradients_and_weights.py

prints the table of the documentation. Each backend has a process of its own, in which plain fits,
fits with a logger, and a logger's work for one epoch alone take turns, so that all of them meet the
same noise; the ratios are medians over the rounds. The work alone is given in the time of all
processors, which other processes of the machine disturb less. Runs are offline.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wk_testing.benchmarks import measured

BATCH = 32
EPOCHS = 4  # of a fit
MODELS = {"dense": 16_000, "convolutional": 4_800}


def main() -> None:
    """Runs the benchmark, or the part of it that one process does."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=6, help="fits of each contestant")
    parser.add_argument("--backend", nargs="+", default=["tensorflow", "jax"])
    parser.add_argument("--measure", choices=MODELS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.rounds)))
        return
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, ", end="")
    print(f"Python {platform.python_version()}; medians of {options.rounds} rounds, ", end="")
    print(f"training in batches of {BATCH}\n")
    print(
        "| backend | model | plain epoch | callback | epoch with it | its work alone, processor |"
    )
    print("|---|---|---:|---|---:|---:|")
    for backend in options.backend:
        for model in MODELS:
            for row in in_own_process(backend, model, options.rounds):
                print(f"| {backend} | {model} | " + " | ".join(row) + " |", flush=True)


def in_own_process(backend: str, model: str, rounds: int) -> list[list[str]]:
    """Returns the table's rows for a backend and a model."""
    rows: list[list[str]] = measured(__file__, model, "--rounds", str(rounds), backend=backend)
    return rows


@dataclass
class Times:
    """What something took, in seconds.

    Attributes:
        wall: Of time.
        processor: Of all processors.
    """

    wall: float
    processor: float


def measure(name: str, rounds: int) -> list[list[str]]:
    """Measures plain fits, fits with each logger, and each logger's work alone, in turns."""
    import keras
    import wandb

    from wk_metrics import WandbGradientLogger, WandbWeightLogger

    model, x, y = prepare(name)

    def fit(*callbacks: Any) -> Times:
        clock = Clock()
        begun = keras.callbacks.LambdaCallback(on_train_begin=lambda logs: clock.start())  # noqa: ARG005
        # The loggers before it have compiled what they need, once for all epochs.
        options = {"batch_size": BATCH, "epochs": EPOCHS, "verbose": 0}
        model.fit(x, y, callbacks=[*callbacks, begun], **options)
        return clock.stop()

    with wandb.init(project="benchmark") as run:
        loggers = {
            "WandbGradientLogger": WandbGradientLogger((x, y)),
            "WandbWeightLogger": WandbWeightLogger(),
        }
        works = {name: work_of_an_epoch(name, model, (x, y), run) for name in loggers}
        fits: dict[str, list[Times]] = {name: [] for name in ("", *loggers)}
        alone: dict[str, list[Times]] = {name: [] for name in loggers}
        contestants = {"": [], **{name: [logger] for name, logger in loggers.items()}}
        for round_number in range(rounds + 1):
            first = round_number % len(contestants)  # whoever begins may find a cooler machine
            order = [*contestants][first:] + [*contestants][:first]
            taken = {name: fit(*contestants[name]) for name in order}
            worked = {name: timed(work) for name, work in works.items()}
            if round_number > 0:  # the first one compiles
                for results, new in ((fits, taken), (alone, worked)):
                    for contestant, times in new.items():
                        results[contestant].append(times)
    plain = fits.pop("")
    return [
        [
            f"{statistics.median(times.wall for times in plain) / EPOCHS:.2f} s",
            f"`{contestant}`",
            f"{100 * (median_ratio(fits[contestant], plain, 'wall') - 1):+.0f} %",
            f"{100 * EPOCHS * median_ratio(alone[contestant], plain, 'processor'):.2f} %",
        ]
        for contestant in loggers
    ]


def median_ratio(times: list[Times], plain: list[Times], figure: str) -> float:
    """Returns the median of the rounds' ratios over the plain fit."""
    ratios: list[float] = [
        getattr(mine, figure) / getattr(fit, figure) for mine, fit in zip(times, plain, strict=True)
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


def work_of_an_epoch(name: str, model: Any, data: Any, run: Any) -> Callable[[], None]:
    """Returns a function that does what a logger does for an epoch, and logs the row."""
    from wk_metrics.gradients.gradient_source import GradientSource
    from wk_metrics.weights.weight_source import WeightSource

    part = GradientSource(data) if name == "WandbGradientLogger" else WeightSource()
    part.begin(model)
    return lambda: run.log({"epoch": 0, **part.take(0)()})


class Clock:
    """Measures what something takes."""

    def start(self) -> None:
        """Begins."""
        self._started, self._processor = time.perf_counter(), time.process_time()

    def stop(self) -> Times:
        """Returns what it has taken since then."""
        now, processor = time.perf_counter(), time.process_time()
        return Times(now - self._started, processor - self._processor)


def timed(task: Callable[[], Any]) -> Times:
    """Returns what a task takes."""
    clock = Clock()
    clock.start()
    task()
    return clock.stop()


if __name__ == "__main__":
    sys.path = [entry for entry in sys.path if Path(entry) != Path(__file__).parent]
    main()
