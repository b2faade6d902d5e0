"""What an example is, and the list of all of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from wk_core.compat.keras.flavour import backend, keras

__all__ = ["ALL_BACKENDS", "BATCH", "EAGER_BACKENDS", "EXAMPLES", "SAMPLES", "Example", "example"]

ALL_BACKENDS: Final = ("tensorflow", "jax", "torch")
EAGER_BACKENDS: Final = ("tensorflow", "torch")
"""The backends on which a model's own `train_step` assigns to variables."""

SAMPLES, BATCH = 32, 8
EXAMPLES: Final[dict[str, "Example"]] = {}

Data = Callable[[], tuple[Any, ...]]


@dataclass(frozen=True)
class Example:
    """A kind of model, and how it is trained.

    Attributes:
        name: What it is called.
        builds: Returns a compiled, built model.
        data: Returns `x`, or `x` and `y`.
        backends: Where it runs.
        fit: Further arguments of `fit`.
        callbacks: Returns callbacks of its own, which are part of the training.
        train: Trains it in a loop of its own; None where `fit` does.
        evaluation: Returns a ready-made evaluation of the data; None for a table of predictions.
        monitor: The metric by which checkpoints are judged.
        gradients: Whether `WandbGradientLogger` applies: not where no loss is known but to the
            model's own `train_step`.
        no_archive: Why Keras cannot save the whole model; empty where it can.
    """

    name: str
    builds: Callable[[], Any]
    data: Data
    backends: tuple[str, ...] = ALL_BACKENDS
    fit: Mapping[str, Any] = field(default_factory=dict)
    callbacks: Callable[[], list[Any]] = list
    train: Callable[..., Any] | None = None
    evaluation: Callable[..., Any] | None = None
    monitor: str = "loss"
    gradients: bool = True
    no_archive: str = ""

    @property
    def runs_here(self) -> bool:
        """Whether it runs on this process's backend."""
        return backend() in self.backends

    def model(self) -> Any:
        """Returns a new model, the same each time."""
        keras.utils.set_random_seed(7)
        model = self.builds()
        if backend() == "tensorflow":
            model.jit_compile = False  # compiling takes seconds, training milliseconds
        return model

    @property
    def inputs(self) -> Any:
        """The first samples."""
        data = self.data()
        if is_arrays(data):
            return keras.tree.map_structure(lambda array: array[:BATCH], data[0])
        return next(iter(data[0]))[0]

    @property
    def training_data(self) -> Any:
        """The data as `WandbGradientLogger` takes them."""
        data = self.data()
        if not is_arrays(data):
            return data[0]
        return data if len(data) > 1 else (*data, None)

    def fitted(
        self, model: Any, callbacks: list[Any], *, epochs: int, initial_epoch: int = 0
    ) -> Any:
        """Trains a model; returns the `History`, or what its own loop calls so."""
        callbacks = [*self.callbacks(), *callbacks]
        if self.train is not None:
            return self.train(model, callbacks, epochs=epochs, initial_epoch=initial_epoch)
        data = self.data()
        sizes = {"batch_size": BATCH, "shuffle": False} if is_arrays(data) else {}
        return model.fit(
            *data,
            epochs=epochs,
            initial_epoch=initial_epoch,
            verbose=0,
            callbacks=callbacks,
            **{**sizes, **self.fit},
        )


def example(data: Data, **options: Any) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """Adds the model that the decorated function builds to the list, under its name."""

    def add(builds: Callable[[], Any]) -> Callable[[], Any]:
        EXAMPLES[builds.__name__] = Example(builds.__name__, builds, data, **options)
        return builds

    return add


def is_arrays(data: tuple[Any, ...]) -> bool:
    """Tells whether data are arrays, not batches."""
    return all(isinstance(part, np.ndarray) for tree in data for part in keras.tree.flatten(tree))
