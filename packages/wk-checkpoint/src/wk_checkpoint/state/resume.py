"""Fitting the rest of a training, also from the middle of an epoch."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wk_checkpoint.state import random_state
from wk_core.compat.keras.flavour import (
    PyDataset,
    build_metrics,
    dataset_arguments,
    keras,
    metric_variables,
)
from wk_core.compat.keras.random_state import begin_iteration

__all__ = ["fit_rest"]


def fit_rest(
    model: Any,
    data: Any,
    *,
    initial_epoch: int,
    batch: int,
    global_step: int | None,
    metrics: Mapping[str, float],
    metric_values: Sequence[np.ndarray],
    epochs: int,
    steps_per_epoch: int | None = None,
    callbacks: Sequence[Any] = (),
    verbose: Any = "auto",
    **arguments: Any,
) -> Any:
    """Calls `model.fit` for the rest of an epoch, and once more for the epochs after it.

    Args:
        model: The restored model.
        data: The data of an epoch; with `steps_per_epoch`, of the whole training.
        initial_epoch: The epoch to go on with.
        batch: The number of its batches that are already trained.
        global_step: The number of batches that are trained in all.
        metrics: Keras' last logs.
        metric_values: The values of the metrics' variables after those batches.
        epochs: The epoch to end before.
        steps_per_epoch: As in `model.fit`.
        callbacks: As in `model.fit`.
        verbose: As in `model.fit`.
        **arguments: Further arguments of `model.fit`.
    """
    epoch = initial_epoch
    if steps_per_epoch is not None:
        # One stream for the whole training: skip all that is trained.
        data = _rest(data, global_step or 0)
    elif batch == 0:
        return model.fit(
            data,
            initial_epoch=epoch,
            epochs=epochs,
            callbacks=list(callbacks),
            verbose=verbose,
            **arguments,
        )
    batches = steps_per_epoch or _length(data)
    is_trained = batch == batches
    training = _OneTraining(
        [_MetricValues(() if is_trained else metric_values), *callbacks],
        is_one_iteration=steps_per_epoch is not None,
        trained_before=batch,
        add_history=True,
        add_progbar=verbose != 0,
        model=model,
        verbose=verbose,
        epochs=epochs,
        steps=batches,
    )
    several = {"callbacks": training, "verbose": verbose, **arguments}
    if batch > 0:
        if is_trained:
            build_metrics(model, _first_batch(data))
            _end_epoch(training, model, data, epoch, metrics, **arguments)
        elif steps_per_epoch is not None:
            build_metrics(model, _first_batch(data))
            steps = steps_per_epoch - batch
            model.fit(data, initial_epoch=epoch, epochs=epoch + 1, steps_per_epoch=steps, **several)
            data = _rest(data, steps)
        else:
            rest = _rest(data, batch)
            build_metrics(model, _first_batch(rest))
            model.fit(rest, initial_epoch=epoch, epochs=epoch + 1, **several)
        epoch += 1
        if model.stop_training or epoch >= epochs:
            training.end()
            return model.history
    training.is_last = True
    return model.fit(
        data, initial_epoch=epoch, epochs=epochs, steps_per_epoch=steps_per_epoch, **several
    )


def _end_epoch(
    training: "_OneTraining",
    model: Any,
    data: Any,
    epoch: int,
    metrics: Mapping[str, float],
    *,
    validation_data: Any = None,
    validation_batch_size: int | None = None,
    validation_steps: int | None = None,
    **_: Any,
) -> None:
    """Does what `fit` does at the end of an epoch, all batches of which are trained."""
    model.stop_training = False
    training.on_train_begin()
    training.on_epoch_begin(epoch)
    if not training.is_one_iteration:
        begin_iteration()
    if isinstance(data, PyDataset):
        data.on_epoch_end()
    logs = dict(metrics)
    if validation_data is not None:
        several = validation_data if isinstance(validation_data, tuple) else (validation_data,)
        results = model.evaluate(
            **dict(zip(("x", "y", "sample_weight"), several, strict=False)),
            batch_size=validation_batch_size,
            steps=validation_steps,
            callbacks=training,
            return_dict=True,
            verbose=0,
        )
        logs |= {f"val_{name}": value for name, value in results.items()}
    training.on_epoch_end(epoch, logs)


class _MetricValues(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Restores the metrics' variables in the first epoch, after Keras has reset them."""

    def __init__(self, values: Sequence[np.ndarray]) -> None:
        super().__init__()
        self._values = list(values)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        values, self._values = self._values, []
        if values:
            for variable, value in zip(metric_variables(self.model), values, strict=True):
                variable.assign(value)


class _OneTraining(keras.callbacks.CallbackList):  # type: ignore[misc]
    """Makes one training of two calls of `fit`: its callbacks see one begin and one end.

    Each call starts an iteration over its data, for which PyTorch draws a random number. The
    generators are set back if a single call would not start an iteration at that point.

    Attributes:
        trained_before: The number of batches of the epoch that were trained before, and that Keras
            does not count.
    """

    def __init__(
        self, *arguments: Any, is_one_iteration: bool, trained_before: int, **named: Any
    ) -> None:
        super().__init__(*arguments, **named)
        self.trained_before = trained_before
        self.is_last = False
        self.is_one_iteration = is_one_iteration
        self._has_begun = False
        self._torch: Mapping[str, np.ndarray] = {}
        self._last_logs: Any = None

    def on_train_begin(self, logs: Any = None) -> None:
        if not self._has_begun:
            self._has_begun = True
            super().on_train_begin(logs)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        super().on_epoch_begin(epoch, logs)
        goes_on = self.is_one_iteration or not self.is_last
        self._torch = random_state.capture_torch() if goes_on else {}

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if self._torch:
            random_state.restore_torch(self._torch)
            self._torch = {}
        super().on_train_batch_begin(batch, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        super().on_epoch_end(epoch, logs)
        self.trained_before = 0

    def on_train_end(self, logs: Any = None) -> None:
        self._last_logs = logs
        if self.is_last:
            self.end()

    def end(self) -> None:
        """Ends the training."""
        super().on_train_end(self._last_logs)


class _Rest(PyDataset):  # type: ignore[misc]
    """A `PyDataset` without its first batches."""

    def __init__(self, whole: Any, start: int) -> None:
        super().__init__(**dataset_arguments(whole))
        self._whole = whole
        self._start = start
        self._ends = 0

    def __len__(self) -> int:
        return len(self._whole) - self._start

    def __getitem__(self, index: int) -> Any:
        return self._whole[self._start + index]

    def on_epoch_begin(self) -> None:
        self._whole.on_epoch_begin()

    def on_epoch_end(self) -> None:
        # Keras also calls this when a `fit` begins: the next `fit` announces the end of this epoch.
        self._ends += 1
        if self._ends == 1:
            self._whole.on_epoch_end()


def _rest(data: Any, start: int) -> Any:
    if isinstance(data, PyDataset):
        return _Rest(data, start)
    if callable(getattr(data, "skip", None)):  # a `tf.data.Dataset`
        return data.skip(start)
    raise TypeError(
        "A training that stands within an epoch can go on with a `keras.utils.PyDataset` or a "
        f"`tf.data.Dataset`, whose first batches can be left out. Received: {type(data)}"
    )


def _first_batch(data: Any) -> Any:
    return data[0] if isinstance(data, PyDataset) else next(iter(data))


def _length(data: Any) -> int | None:
    try:
        return len(data)
    except TypeError:  # a `tf.data.Dataset` of unknown length
        return None
