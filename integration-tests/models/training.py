"""Trains an example, alone or with all of wk's callbacks, and keeps what there is to compare."""

import contextlib
import random
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import wandb

from models.example import Example
from wk_checkpoint import WandbModelCheckpoint
from wk_core.compat.keras.flavour import global_seed_generator, keras
from wk_eval import WandbEvalCallback
from wk_legacy import WandbCallback
from wk_metrics import WandbGradientLogger, WandbMetricsLogger, WandbWeightLogger
from wk_testing.wandb_file import RunFile, read_run

__all__ = ["EPOCHS", "RATE", "Training", "end_of", "optimizers_of", "train", "train_with_wk"]

EPOCHS: Final = 3
RATE: Final = "learning_rate"

Ends = dict[str, list[np.ndarray]]


@dataclass
class Training:
    """What a training came to.

    Attributes:
        history: Keras' `History`.
        end: Everything that training changes, at its end.
        warned: What warnings said.
        batches: Keras' logs at the end of each batch.
        rates: The rates that each batch used, by the key under which they are logged.
        run: What the run has logged, where there is one.
        directory: Where the files are.
    """

    history: dict[str, list[float]]
    end: Ends
    warned: list[str] = field(default_factory=list)
    batches: list[dict[str, float]] = field(default_factory=list)
    rates: list[dict[str, list[float]]] = field(default_factory=list)
    run: RunFile | None = None
    directory: Path = Path()


def train(example: Example, model: Any, *callbacks: Any, initial_epoch: int = 0) -> Training:
    """Trains a model to the last epoch."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        # Keras' own, which the suite does not mind.
        warnings.filterwarnings("ignore", message="__array__ implementation")
        # wandb leaves the directories of tables to the garbage collector.
        warnings.filterwarnings("ignore", message="Implicitly cleaning up")
        history = example.fitted(model, list(callbacks), epochs=EPOCHS, initial_epoch=initial_epoch)
    return Training(history.history, end_of(model), [str(each.message) for each in warned])


def train_with_wk(example: Example, directory: Path) -> Training:
    """Trains the example with all callbacks, and Keras' own beside them."""
    with contextlib.chdir(directory):
        with wandb.init(project="test", mode="offline", dir=directory) as run:
            probe = _Probe()
            callbacks = [*_callbacks_of_wk(example), *_callbacks_of_keras(example), probe]
            training = train(example, example.model(), *callbacks)
        training.batches, training.rates = probe.batches, probe.rates
        training.run = read_run(Path(run.settings.sync_dir))
        training.directory = directory
    return training


def _callbacks_of_wk(example: Example) -> Iterator[Any]:
    data = example.data()
    yield WandbMetricsLogger("batch")
    yield WandbModelCheckpoint(
        "wk-{epoch}.weights.h5",
        example.monitor,
        save_weights_only=True,
        mode="min",
        artifact="weights",
    )
    if not example.no_archive:
        yield WandbModelCheckpoint(
            "wk-{epoch}.keras", example.monitor, mode="min", artifact="whole"
        )
    yield WandbCallback(monitor=example.monitor, mode="min", log_weights=True)
    yield WandbWeightLogger()
    yield _Outputs(example.inputs) if example.evaluation is None else example.evaluation(*data)
    if example.gradients:
        yield WandbGradientLogger(example.training_data)


def _callbacks_of_keras(example: Example) -> Iterator[Any]:
    kind = keras.callbacks.ModelCheckpoint
    yield kind("keras-{epoch}.weights.h5", save_weights_only=True)
    if not example.no_archive:
        yield kind("keras-{epoch}.keras")


class _Outputs(WandbEvalCallback):
    """A table of what the model makes of the first samples."""

    def __init__(self, x: Any) -> None:
        super().__init__(["number"], ["epoch", "outputs"])
        self._x = x

    def add_ground_truth(self, logs: Any = None) -> None:  # noqa: ARG002
        self.data_table.add_data(0)

    def add_model_predictions(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        outputs = keras.tree.flatten(self.predict_on_batch(self._x))
        self.pred_table.add_data(epoch, float(np.mean([np.mean(each) for each in outputs])))


def optimizers_of(model: Any) -> dict[str, Any]:
    """Returns the optimizer of `compile` and those in attributes, by their rates' keys."""
    main = model.optimizer
    found = {} if main is None else {RATE: getattr(main, "inner_optimizer", main)}
    for name, value in vars(model).items():
        if isinstance(value, keras.optimizers.Optimizer) and value is not main:
            found[f"{RATE}/{name}"] = value
    return found


class _Probe(keras.callbacks.Callback):  # type: ignore[misc]
    """Reads the rates at the time, and what Keras tells of each batch."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[dict[str, float]] = []
        self.rates: list[dict[str, list[float]]] = []
        self._before: dict[str, tuple[int, float]] = {}

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        self._before = self._now()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        self.batches.append({name: float(value) for name, value in (logs or {}).items()})
        used = {}
        for key, (count, _) in self._now().items():
            first, rate = self._before.get(key, (0, float("nan")))
            if count > first:
                optimizer = optimizers_of(self.model)[key]
                used[key] = _rates(optimizer, first, count) or [rate]
        self.rates.append(used)

    def _now(self) -> dict[str, tuple[int, float]]:
        return {
            key: (int(_number(optimizer._iterations)), _number(optimizer.learning_rate))
            for key, optimizer in optimizers_of(self.model).items()
        }


def _rates(optimizer: Any, first: int, count: int) -> list[float]:
    """Returns a schedule's rates from one count of batches to another; none without a schedule."""
    schedule = optimizer._learning_rate
    if not isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
        return []
    return [
        _number(schedule(keras.ops.convert_to_tensor(number, optimizer._iterations.dtype)))
        for number in range(first, count)
    ]


def _number(value: Any) -> float:
    return float(keras.ops.convert_to_numpy(value))


def end_of(model: Any) -> Ends:
    """Returns everything that training changes: the model's, its optimizers', the process's."""
    torch: Any = sys.modules.get("torch")
    # Making Keras' generator draws from Python's, and Keras 3.10 keeps it for later trainings.
    python = np.asarray(random.getstate()[1])
    seed = global_seed_generator(create=True)
    modules = [layer.module for layer in model._flatten_layers() if hasattr(layer, "module")]
    return {
        "weights": _values(model.weights),
        "other variables": _values(model.variables),
        "optimizers": _values(
            variable for optimizer in _all_optimizers(model) for variable in optimizer.variables
        ),
        "modules": [
            value.numpy().copy() for module in modules for value in module.state_dict().values()
        ],
        "Keras' random numbers": _values([seed]),
        "NumPy's random numbers": [np.random.get_state(legacy=False)["state"]["key"]],
        "Python's random numbers": [python],
        "PyTorch's random numbers": [torch.get_rng_state().numpy()] if torch else [],
    }


def _all_optimizers(model: Any) -> list[Any]:
    found = []
    for layer in model._flatten_layers():
        for value in vars(layer).values():
            values = value if isinstance(value, list | tuple) else [value]
            found += [one for one in values if isinstance(one, keras.optimizers.Optimizer)]
    return list({id(one): one for one in found}.values())


def _values(variables: Any) -> list[np.ndarray]:
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def differing(one: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> list[int]:
    """Returns the numbers of the arrays that differ."""
    assert len(one) == len(other)
    pairs = enumerate(zip(one, other, strict=True))
    return [
        number
        for number, (left, right) in pairs
        if left.dtype != right.dtype or left.tobytes() != right.tobytes()
    ]
