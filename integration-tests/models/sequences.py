"""Sequences of what a script does with a model, and a ledger of what it should come to."""

import contextlib
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import wandb

from wk_checkpoint import WandbModelCheckpoint
from wk_core.compat.keras.flavour import backend, keras
from wk_metrics import WandbMetricsLogger
from wk_testing.training import LastSeen, numbered_batches

__all__ = ["STEPS", "Compile", "Deed", "Fit", "Mishap", "Script", "Simple", "StopError"]

STEPS: Final = 3

Hook = Literal[
    "on_train_begin",
    "on_epoch_begin",
    "on_train_batch_begin",
    "on_train_batch_end",
    "on_epoch_end",
    "on_train_end",
]


class StopError(Exception):
    """What a callback of the user's raises."""


@dataclass(frozen=True)
class Mishap:
    """What another callback does during a `fit`.

    Attributes:
        what: What it does.
        hook: When.
        epoch: In which epoch of the `fit`, where the hook has one.
        behind: Whether it stands behind wk's callbacks.
    """

    what: Literal["raise", "evaluate", "compile", "freeze", "set_weights", "chdir", "finish"]
    hook: Hook
    epoch: int
    behind: bool


@dataclass(frozen=True)
class Fit:
    """A `fit`, and what happens in it."""

    epochs: int
    mishap: Mishap | None = None
    watched: bool = True


@dataclass(frozen=True)
class Compile:
    """A new optimizer."""

    rate: float


@dataclass(frozen=True)
class Simple:
    """Whatever needs no more than its name."""

    what: Literal[
        "evaluate",
        "watched_evaluate",
        "predict",
        "freeze",
        "set_weights",
        "chdir",
        "new_callbacks",
        "new_run",
    ]


Deed = Fit | Compile | Simple


@dataclass
class Seen:
    """What a training looked like at one moment.

    Attributes:
        weights: The model's weights.
        logs: What Keras reported.
    """

    weights: list[np.ndarray]
    logs: dict[str, float]


@dataclass
class Expected:
    """What a run should hold in the end.

    Attributes:
        first: The number that the run's first batch has, and the one that its data say.
        epochs: What was seen when wk's turn came at the end of each epoch.
        complete: The numbers of the epochs that no callback has ended.
        batches: What was seen at the end of each batch, by its number as the data say it.
        places: The same by epoch and batch; several where an interrupted epoch was begun anew.
        rates: The rates of those batches.
        tests: What `evaluate` returned, where wk was told of it.
        files: The files that Keras wrote, by the number of the epoch.
    """

    first: tuple[int, int] | None = None
    epochs: list[Seen] = field(default_factory=list)
    complete: list[int] = field(default_factory=list)
    batches: dict[int, Seen] = field(default_factory=dict)
    places: dict[tuple[int, int], list[Seen]] = field(default_factory=dict)
    rates: dict[int, float] = field(default_factory=dict)
    tests: list[float] = field(default_factory=list)
    files: dict[Path, int] = field(default_factory=dict)


class Script:
    """Does one deed after the other, and keeps the ledger.

    Args:
        directory: Where everything goes.
        save_freq: That of the checkpoints.
    """

    def __init__(self, directory: Path, save_freq: Literal["epoch"] | int) -> None:
        self.directory = directory
        self.save_freq: Literal["epoch"] | int = save_freq
        self.model = _model()
        self.trained = 0
        self.alone = False
        self.runs: list[tuple[wandb.Run, Expected]] = []
        self._fits = 0
        self._places = 0
        self.begin_run()

    @property
    def run(self) -> wandb.Run:
        """The run that is open, or was last."""
        return self.runs[-1][0]

    @property
    def expected(self) -> Expected:
        """What that run should hold."""
        return self.runs[-1][1]

    def begin_run(self) -> None:
        """Starts another run, with new callbacks."""
        if self.runs:
            self.run.finish()
        run = wandb.init(project="test", mode="offline", dir=self.directory)
        self.runs.append((run, Expected()))
        self.begin_callbacks()

    def begin_callbacks(self) -> None:
        """Makes new callbacks for the run."""
        with warnings.catch_warnings():
            # Those before may still wait for their `fit`, which wk says.
            warnings.filterwarnings("ignore", message="Two WandbModelCheckpoint")
            checkpoint = WandbModelCheckpoint(
                "wk-{epoch}.weights.h5",
                "loss",
                mode="min",
                save_weights_only=True,
                save_freq=self.save_freq,
            )
        self.watching = [WandbMetricsLogger("batch"), checkpoint]

    def do(self, deed: Deed) -> None:
        """Does one deed."""
        if isinstance(deed, Fit):
            self.fit(deed)
        elif isinstance(deed, Compile):
            # Nobody can know how many batches an optimizer has seen that is gone.
            if not self.alone:
                compile_model(self.model, deed.rate)
        else:
            self.do_simple(deed.what)

    def do_simple(self, what: str) -> None:
        """Does what needs no more than its name."""
        match what:
            case "evaluate":
                self.evaluate()
            case "watched_evaluate":
                if not self.run._is_finished:
                    loss = self.evaluate(callbacks=self.watching)
                    self.expected.tests.append(loss)
            case "predict":
                self.model.predict(np.ones((2, 2), "float32"), verbose=0)
            case "freeze":
                if not self.alone:
                    self.model.layers[0].trainable = not self.model.layers[0].trainable
                    compile_model(self.model, 0.04)
            case "set_weights":
                self.model.set_weights([weight * 0.5 for weight in self.model.get_weights()])
            case "chdir":
                self._places += 1
                place = self.directory / f"place-{self._places}"
                place.mkdir()
                os.chdir(place)
            case "new_callbacks":
                if not self.run._is_finished:
                    self.begin_callbacks()
            case "new_run":
                self.begin_run()

    def evaluate(self, **arguments: Any) -> float:
        """Evaluates the model; returns the loss."""
        x, y = np.ones((4, 2), "float32"), np.ones((4, 1), "float32")
        results = self.model.evaluate(x, y, verbose=0, return_dict=True, **arguments)
        return float(results["loss"])

    def fit(self, deed: Fit) -> None:
        """Fits the model, with wk or without."""
        if self.run._is_finished:
            self.begin_run()
        if deed.watched and self.expected.first is None:
            count = int(keras.ops.convert_to_numpy(self.model.optimizer.iterations))
            self.expected.first = (count, self.trained)
        if deed.watched:
            self._fits += 1
            own = keras.callbacks.ModelCheckpoint(
                f"keras-{self._fits}-{{epoch}}.weights.h5", save_weights_only=True
            )
            mishap = [] if deed.mishap is None else [_Other(self, deed.mishap)]
            before = [] if deed.mishap is None or deed.mishap.behind else mishap
            behind = mishap if deed.mishap is not None and deed.mishap.behind else []
            callbacks = [*before, own, _Ledger(self), *self.watching, *behind, _Last(self)]
        else:
            callbacks = []
        with contextlib.suppress(StopError):
            self.model.fit(
                numbered_batches(self.trained),
                steps_per_epoch=STEPS,
                epochs=deed.epochs,
                shuffle=False,
                verbose=0,
                callbacks=[_Count(self), *callbacks],
            )
        self.alone = not deed.watched

    def happen(self, what: str) -> None:
        """Does something within a `fit`."""
        if what == "raise":
            raise StopError
        if what == "evaluate":
            self.expected.tests.append(self.evaluate(callbacks=self.watching))
        elif what in ("compile", "freeze"):
            if what == "freeze":
                self.model.layers[0].trainable = not self.model.layers[0].trainable
            compile_model(self.model, 0.03)
            self.model.make_train_function()
        elif what == "finish":
            self.run.finish()
        else:
            self.do_simple(what)


class _Count(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Counts the batches that are trained."""

    def __init__(self, script: Script) -> None:
        super().__init__()
        self.script = script

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        self.script.trained += 1


class _Ledger(keras.callbacks.Callback):  # type: ignore[misc]
    """Writes down what wk sees when its turn comes."""

    def __init__(self, script: Script) -> None:
        super().__init__()
        self.script = script
        self._rate = 0.0
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        self._epoch = len(self.script.expected.epochs)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        rate = self.model.optimizer.learning_rate
        self._rate = float(keras.ops.convert_to_numpy(rate))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        expected, number = self.script.expected, self.script.trained - 1
        seen = expected.batches[number] = self._seen(logs)
        expected.places.setdefault((self._epoch, batch), []).append(seen)
        expected.rates[number] = self._rate

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        place = Path.cwd() / f"keras-{self.script._fits}-{epoch + 1}.weights.h5"
        self.script.expected.files[place] = len(self.script.expected.epochs)
        self.script.expected.epochs.append(self._seen(logs))

    def _seen(self, logs: Any) -> Seen:
        numbers = {name: float(value) for name, value in (logs or {}).items()}
        return Seen([np.array(weight) for weight in self.model.get_weights()], numbers)


class _Last(keras.callbacks.Callback):  # type: ignore[misc]
    """Writes down that an epoch has come to its end for all callbacks."""

    def __init__(self, script: Script) -> None:
        super().__init__()
        self.script = script

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        self.script.expected.complete.append(len(self.script.expected.epochs) - 1)


class _Other(keras.callbacks.Callback):  # type: ignore[misc]
    """Has the mishap happen, once."""

    def __init__(self, script: Script, mishap: Mishap) -> None:
        super().__init__()
        self._script, self._mishap = script, mishap
        self._epoch = 0
        self._is_due = True

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        self._epoch = epoch
        self._reach("on_epoch_begin")

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002
        self._epoch = self._mishap.epoch
        self._reach("on_train_begin")

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        if batch == 1:
            self._reach("on_train_batch_begin")

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        if batch == 1:
            self._reach("on_train_batch_end")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        self._reach("on_epoch_end")

    def on_train_end(self, logs: Any = None) -> None:  # noqa: ARG002
        self._epoch = self._mishap.epoch
        self._reach("on_train_end")

    def _reach(self, hook: Hook) -> None:
        if self._is_due and (hook, self._epoch) == (self._mishap.hook, self._mishap.epoch):
            self._is_due = False
            self._script.happen(self._mishap.what)


def compile_model(model: Any, rate: float) -> None:
    """Compiles a model, with the metric that says which batch it has seen."""
    model.compile(keras.optimizers.Adam(rate), "mse", metrics=[LastSeen()])
    if backend() == "tensorflow":
        model.jit_compile = False


def _model() -> Any:
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2), keras.layers.Dense(1)])
    compile_model(model, 0.01)
    return model


@contextlib.contextmanager
def script_in(directory: Path, save_freq: Literal["epoch"] | int) -> Iterator[Script]:
    """Gives a script that begins in a directory, and goes back from wherever it has gone."""
    with contextlib.chdir(directory):
        script = Script(directory, save_freq)
        try:
            yield script
        finally:
            script.run.finish()
