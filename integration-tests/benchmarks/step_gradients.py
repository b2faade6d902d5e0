"""What the gradients of a training's own steps cost, as a part of a plain step and of an epoch.

    uv run integration-tests/benchmarks/step_gradients.py

prints the table of the documentation. Each model on each backend has a process of its own. In one
`fit`, plain steps, steps whose norms are taken and steps that are looked at in full take turns, so
that all of them meet the same noise. Everything is given in the time of all processors, which other
processes of the machine disturb less. Runs are offline.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wk_testing.benchmarks import measured

STEPS = 200  # of the epoch whose costs are given
FULL = 3  # of its steps are looked at in full: the first, the 101st, and the last
WARM_UP = 2  # turns that compile
DATA = 5  # batches, for the gradients of `training_data`
KINDS = ("full", "plain", "norms")
BACKENDS = {
    "TensorFlow": ("tensorflow", False),
    "TensorFlow, XLA": ("tensorflow", True),
    "JAX": ("jax", True),
    "PyTorch": ("torch", False),
}
MODELS = ("convolutional", "wide convolutional", "transformer", "dense")
HEAD = (
    "backend",
    "model",
    "weights",
    "plain step, ms",
    "norms of a step",
    "full look at a step",
    "norms in one of",
    "an epoch, by default",
    "with `training_data`",
    "compiling, once",
)


def main() -> None:
    """Runs the benchmark, or the part of it that one process does."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=20, help="steps of each kind")
    parser.add_argument("--backend", nargs="+", default=list(BACKENDS), choices=BACKENDS)
    parser.add_argument("--model", nargs="+", default=list(MODELS), choices=MODELS)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.model[0], options.backend[0], options.turns)))
        return
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, ", end="")
    print(f"Python {platform.python_version()}; medians (quartiles) of {options.turns} steps\n")
    print("| " + " | ".join(HEAD) + " |")
    print("|---|---|" + "---:|" * (len(HEAD) - 2))
    for backend in options.backend:
        for model in options.model:
            row = in_own_process(backend, model, options.turns)
            print(f"| {backend} | {model} | " + " | ".join(row) + " |", flush=True)


def in_own_process(backend: str, model: str, turns: int) -> list[str]:
    """Returns the table's row for a backend and a model."""
    choice = ["--backend", backend, "--model", model, "--turns", str(turns)]
    row: list[str] = measured(__file__, *choice, backend=BACKENDS[backend][0])
    return row


@dataclass
class Clock:
    """The processor time of each step of a `fit`, and of the thread that makes the rows.

    Attributes:
        steps: The seconds of the steps of each kind, in order.
        behind: The seconds of the thread so far.
    """

    steps: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    behind: float = 0.0
    _last: tuple[str, float] | None = None

    def turn(self, kind: str) -> None:
        """Ends a step, and begins one of a kind."""
        wait_for_device()
        behind = thread_time("WandbGradientLogger")
        self.behind = max(self.behind, behind)
        now = time.process_time() - self.behind
        if self._last is not None:
            last, begun = self._last
            self.steps[last].append(now - begun)
        self._last = kind, now


def wait_for_device() -> None:
    """Waits until JAX has finished all steps, which it runs behind Keras' calls."""
    if (jax := sys.modules.get("jax")) is not None:
        jax.block_until_ready(jax.live_arrays())


def thread_time(name: str) -> float:
    """Returns the processor time of a thread whose name begins so, in seconds; 0 without one."""
    for thread in threading.enumerate():
        if thread.name.startswith(name) and thread.ident is not None:
            return time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
    return 0.0


def measure(name: str, backend: str, turns: int) -> list[str]:
    """Measures the kinds of steps in turns, then the gradients of data."""
    import wandb

    from wk_metrics import WandbGradientLogger

    if backend == "PyTorch":  # several threads wait for one another by spinning
        import torch

        torch.set_num_threads(1)

    class Turns(WandbGradientLogger):
        """Leaves out steps, which are plain then."""

        def __init__(self, clock: Clock) -> None:
            super().__init__(full_every=len(KINDS), norms_every=1)
            self._clock = clock

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            turn, place = divmod(batch, len(KINDS))
            kind = KINDS[place] if turn % 2 or not place else KINDS[len(KINDS) - place]
            self._clock.turn(kind)
            if kind != "plain":
                super().on_train_batch_begin(batch, logs)

    model, x, y, batch_size = prepare(name, jit_compile=BACKENDS[backend][1])
    steps = (WARM_UP + turns) * len(KINDS) + 1  # the last is not timed
    rows = [number % len(x) for number in range(steps * batch_size)]
    clock = Clock()
    with wandb.init(project="benchmark"):
        model.fit(x[rows], y[rows], batch_size=batch_size, verbose=0, callbacks=[Turns(clock)])
    plain, norms, full = (clock.steps[kind] for kind in ("plain", "norms", "full"))
    median = statistics.median(plain[WARM_UP:])
    data = cost_of_data(model, x, y, batch_size) / median
    behind = clock.behind / (len(norms) + len(full)) / median
    extra = [ratios(kind, plain) for kind in (norms, full)]
    every = pace(median, (1 + extra[0][1]) * median)
    looks = STEPS / every - FULL
    default = (looks * extra[0][1] + FULL * extra[1][1] + (looks + FULL) * behind) / STEPS
    return [
        f"{model.count_params():,}",
        f"{1e3 * median:.1f}",
        *(f"{100 * m:.1f} % ({100 * low:.1f} to {100 * high:.1f})" for low, m, high in extra),
        str(every),
        f"**{100 * default:.1f} %**, {1e3 * default * median:.2f} ms a step",
        f"{100 * data:.0f} %",
        f"{plain[0]:.1f} + {norms[0]:.1f} + {full[0]:.1f} s",
    ]


def ratios(kind: Sequence[float], plain: Sequence[float]) -> tuple[float, float, float]:
    """Returns the quartiles of what steps cost beyond the plain ones of the same turns."""
    pairs = zip(kind[WARM_UP:], plain[WARM_UP:], strict=True)
    median = statistics.median(plain[WARM_UP:])
    low, middle, high = statistics.quantiles([(one - other) / median for one, other in pairs], n=4)
    return low, middle, high


def pace(plain: float, norms: float) -> int:
    """Returns in one of how many steps the callback takes norms, if steps take so many seconds."""
    from wk_metrics.gradients.training_steps.pace import Pace

    chosen = Pace(None)
    while chosen.every is None:
        chosen.add(plain, watched=False)
        chosen.add(norms, watched=True)
    return chosen.every


def cost_of_data(model: Any, x: Any, y: Any, batch_size: int) -> float:
    """Returns the seconds a batch of the gradients of data, as `training_data=` computes them."""
    from wk_metrics.gradients.gradient_source import GradientSource

    rows = [number % len(x) for number in range(DATA * batch_size)]
    source = GradientSource((x[rows], y[rows]), batch_size=batch_size)
    source.begin(model)
    source.take(0)()
    times = []
    for epoch in range(3):
        begun = time.process_time()
        source.take(epoch)()
        times.append((time.process_time() - begun) / DATA)
    return statistics.median(times)


def prepare(name: str, *, jit_compile: bool) -> tuple[Any, Any, Any, int]:
    """Returns a compiled model, noise in the shape of its data, and the size of a batch."""
    import keras
    import numpy as np

    build, shape, classes, batch_size = {
        "convolutional": (convolutional, (28, 28, 1), 10, 64),
        "wide convolutional": (wide_convolutional, (32, 32, 3), 10, 32),
        "transformer": (transformer, (64,), 2000, 32),
        "dense": (dense, (784,), 10, 64),
    }[name]
    generator = np.random.default_rng(0)
    x: Any = generator.random((4 * batch_size, *shape), dtype="float32")
    y: Any = generator.integers(0, classes, len(x))
    if name == "transformer":
        x = generator.integers(0, classes, x.shape)
        y = np.roll(x, -1, 1)
    inputs = keras.Input(shape, dtype=x.dtype)
    model = keras.Model(inputs, keras.layers.Dense(classes)(build(inputs)))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, jit_compile=jit_compile)
    return model, x, y, batch_size


def convolutional(x: Any) -> Any:
    """Returns the features of the small network of Keras' first example."""
    from keras import layers

    for filters in (32, 64):
        x = layers.Conv2D(filters, 3, activation="relu")(x)
        x = layers.MaxPooling2D()(x)
    return layers.Dropout(0.5)(layers.Flatten()(x))


def wide_convolutional(x: Any) -> Any:
    """Returns the features of a wider network with batch normalization."""
    from keras import layers

    for filters in (64, 64, 128, 128):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.MaxPooling2D()(x) if filters == 64 else x
    return layers.GlobalAveragePooling2D()(x)


def transformer(x: Any) -> Any:
    """Returns the features of two blocks of attention over 64 tokens."""
    from keras import layers

    x = layers.Embedding(2000, 128)(x)
    for _ in range(2):
        a = layers.LayerNormalization()(x)
        x += layers.MultiHeadAttention(4, 32)(a, a, use_causal_mask=True)
        a = layers.LayerNormalization()(x)
        x += layers.Dense(128)(layers.Dense(512, activation="gelu")(a))
    return layers.LayerNormalization()(x)


def dense(x: Any) -> Any:
    """Returns the features of a network with 10 million weights."""
    from keras import layers

    for _ in range(3):
        x = layers.Dense(2048, activation="relu")(x)
    return x


if __name__ == "__main__":
    sys.path = [entry for entry in sys.path if Path(entry) != Path(__file__).parent]
    main()
