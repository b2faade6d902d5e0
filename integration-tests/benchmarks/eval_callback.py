"""What looking at predictions costs a training, beside W&B's own callback.

    uv run integration-tests/benchmarks/eval_callback.py

prints the table of the documentation. Both contestants run W&B's documented example of an image
classifier, on TensorFlow, online, against a server on the loopback interface. Each fit has a
process of its own, with a client whose directories are empty; the contestants take turns, so that
they meet the same noise.
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
from pathlib import Path
from typing import Any

EPOCHS = 3
SETTINGS = ((1000, (28, 28, 1)), (500, (224, 224, 3)))
THEIRS, OURS = "wandb.integration.keras", "wk_eval"
CONTESTANTS = (THEIRS, OURS)
FIGURES = (
    ("at the start, training thread", "start", "s"),
    ("per epoch, training thread", "epoch", "s"),
    ("in total, until the run has finished", "total", "s"),
    ("CPU of this process, from `fit` to then", "cpu", "s"),
    ("peak memory over that before `fit`", "memory", "MB"),
)


def main() -> None:
    """Runs the benchmark, or the part of it that one process does."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="fits of each contestant")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        contestant, setting = arguments.measure
        print(json.dumps(measure(contestant, *SETTINGS[int(setting)])))
        return
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, ", end="")
    print(f"Python {platform.python_version()}; {EPOCHS} epochs a fit, {arguments.rounds} fits\n")
    print("| images | | `wandb.integration.keras` | **`wk_eval`** | ratio |")
    print("|---|---|---:|---:|---:|")
    for number, (count, shape) in enumerate(SETTINGS):
        results: dict[str, list[dict[str, float]]] = {name: [] for name in CONTESTANTS}
        for _ in range(arguments.rounds):
            for name in CONTESTANTS:
                results[name].append(measured_in_own_process(name, number))
        title = f"{count:,} of {shape[0]}x{shape[1]}"
        for text, key, unit in FIGURES:
            theirs, ours = (
                statistics.median(result[key] for result in results[name]) for name in CONTESTANTS
            )
            ratio = statistics.median(
                mine[key] / other[key]
                for mine, other in zip(results[OURS], results[THEIRS], strict=True)
            )
            print(f"| {title} | {text} | {theirs:.2f} {unit} | {ours:.2f} {unit} | {ratio:.2f} |")
            title = ""


def measured_in_own_process(contestant: str, setting: int) -> dict[str, float]:
    """Returns what a fit took, in a new process with a new server."""
    from wandb_loopback import WandbServer

    with tempfile.TemporaryDirectory() as directory:
        server = WandbServer(Path(directory) / "server").start()
        names = ("DIR", "CACHE_DIR", "DATA_DIR", "CONFIG_DIR", "ARTIFACT_DIR")
        for name in names:
            (Path(directory) / name).mkdir()
        try:
            output = subprocess.run(
                [sys.executable, __file__, "--measure", contestant, str(setting)],
                env={
                    **os.environ,
                    **server.environment,
                    **{f"WANDB_{name}": str(Path(directory) / name) for name in names},
                    "KERAS_BACKEND": "tensorflow",
                    "TF_CPP_MIN_LOG_LEVEL": "3",
                },
                stdout=subprocess.PIPE,
                check=True,
            ).stdout
        finally:
            server.close()
    result: dict[str, float] = json.loads(output.splitlines()[-1])
    return result


def measure(contestant: str, count: int, shape: tuple[int, ...]) -> dict[str, float]:
    """Measures one fit."""
    import importlib

    import keras
    import numpy as np
    import wandb

    base: Any = importlib.import_module(contestant).WandbEvalCallback

    class Classifier(base):  # type: ignore[misc]  # whichever of the two
        """W&B's documented example."""

        def __init__(self, validation_data: Any) -> None:
            super().__init__(["idx", "image", "label"], ["epoch", "idx", "image", "label", "pred"])
            self.x, self.y = validation_data

        def add_ground_truth(self, logs: Any = None) -> None:  # noqa: ARG002
            for idx, (image, label) in enumerate(zip(self.x, self.y, strict=True)):
                self.data_table.add_data(idx, wandb.Image(image), label)

        def add_model_predictions(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
            preds = self.model.predict(self.x, verbose=0)
            preds = np.argmax(preds, axis=-1)
            for idx in self.data_table_ref.get_index():
                self.pred_table.add_data(
                    epoch,
                    self.data_table_ref.data[idx][0],
                    self.data_table_ref.data[idx][1],
                    self.data_table_ref.data[idx][2],
                    preds[idx],
                )

    generator = np.random.default_rng(0)
    # Noise on a gradient: neither as flat as a drawing nor as rough as noise alone.
    gradient = np.linspace(0, 200, shape[1], dtype="uint8")[:, None]
    x = generator.integers(0, 50, (count, *shape), dtype="uint8") + gradient
    y = generator.integers(0, 10, count)
    model = keras.Sequential(
        [keras.layers.AveragePooling2D(14), keras.layers.Flatten(), keras.layers.Dense(10)]
    )
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    # TensorFlow keeps the memory of batches that it has made in advance, more or fewer of them each
    # time. Once a prediction has run after every epoch, as it will, that is no contestant's cost.
    predict_all = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: model.predict(x, verbose=0)  # noqa: ARG005
    )
    model.fit(x, y, epochs=EPOCHS, verbose=0, callbacks=[predict_all])
    predicting, predict = Clock(), model.predict
    model.predict = predicting.around(predict)

    with wandb.init(project="benchmark") as run:
        callback = Classifier((x, y))
        start, epoch = Clock(), Clock()
        callback.on_train_begin = start.around(callback.on_train_begin)
        callback.on_epoch_end = epoch.around(callback.on_epoch_end)
        before = reset_peak_memory()
        started, cpu = time.perf_counter(), time.process_time()
        model.fit(x, y, epochs=EPOCHS, verbose=0, callbacks=[callback])
        run.finish()
        total, cpu = time.perf_counter() - started, time.process_time() - cpu
    return {
        "start": start.seconds,
        "epoch": (epoch.seconds - predicting.seconds) / EPOCHS,
        "total": total,
        "cpu": cpu,
        "memory": peak_memory() - before,
    }


class Clock:
    """Sums the time that a function takes."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Returns the function with a clock around it."""

        def timed(*arguments: Any, **named: Any) -> Any:
            started = time.perf_counter()
            result = function(*arguments, **named)
            self.seconds += time.perf_counter() - started
            return result

        return timed


def reset_peak_memory() -> float:
    """Begins to measure the peak anew; returns the memory in use, in MB."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_memory()


def peak_memory() -> float:
    """Returns the most memory that was in use, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    sys.path = [entry for entry in sys.path if Path(entry) != Path(__file__).parent]
    main()
