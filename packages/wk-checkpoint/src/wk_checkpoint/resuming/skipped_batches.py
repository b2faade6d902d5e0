"""Going on within an epoch of an ongoing `fit`: batches that are trained already are left out.

They are drawn from the data in order, so that those after them are the ones that come next, but the
model does not see them, and neither do callbacks: for these, the epoch begins with the first batch
that is trained, as number 0.
"""

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from wk_checkpoint.state import random_state
from wk_core.compat.keras.flavour import (
    PyDataset,
    backend,
    build_metrics,
    metric_variables,
    steps_per_execution,
)
from wk_core.compat.keras.hooks import call_after_all, fit_argument
from wk_core.compat.keras.training import sync_state

__all__ = ["SkippedBatches", "batches_before", "pass_epochs", "why_not_positioned"]


def pass_epochs(count: int) -> None:
    """Tells the data of the `fit` that is calling a hook of so many ends of epochs.

    A `PyDataset` may have another order in each epoch, which it counts itself.
    """
    data = fit_argument("x")
    if isinstance(data, PyDataset):
        for _ in range(count):
            data.on_epoch_end()


def batches_before(epochs: int) -> int:
    """Returns how many batches the data of the calling `fit` have yielded in so many epochs.

    They are 0 where each epoch begins to iterate over them anew.
    """
    return epochs * (fit_argument("steps_per_epoch") or 0)


def why_not_positioned(model: Any, batch: int) -> str | None:
    """Returns why the data of the `fit` that is calling a hook cannot go on where they stood.

    Args:
        model: The model.
        batch: The number of batches of the epoch that are trained.

    Returns:
        None if they can: they come in the same order, given the state of the random generators.
    """
    stride, data = steps_per_execution(model), fit_argument("x")
    if batch % stride:
        return f"{batch} batches are no multiple of steps_per_execution={stride}"
    if isinstance(data, Iterator):
        return f"an iterator of type {type(data).__name__!r} has no begin to start from"
    if fit_argument("steps_per_epoch") is not None:
        if backend() == "torch":
            return "on PyTorch, data cannot be positioned with `steps_per_epoch`"
        if hasattr(data, "__len__") and _length(data) is not None:
            return "data with a length cannot be positioned with `steps_per_epoch`"
    if backend() == "tensorflow" and _is_shuffled_by_keras(data):
        return (
            "Keras shuffles the data with TensorFlow, whose state cannot be restored; with "
            "`shuffle=False` it could be positioned"
        )
    return None


def _length(data: Any) -> int | None:
    try:
        return len(data)
    except TypeError:  # a `tf.data.Dataset` of unknown length
        return None


def _is_shuffled_by_keras(data: Any) -> bool:
    is_arrays = isinstance(data, (dict, list, tuple)) or hasattr(data, "shape")
    return (is_arrays or isinstance(data, PyDataset)) and fit_argument("shuffle") is not False


class SkippedBatches:
    """Leaves out the first batches of the epoch with which a `fit` begins.

    To be made when the `fit` begins, before it calls callbacks. Until the epoch ends, the list of
    callbacks says in `trained_before` how many batches it does not count.

    Args:
        model: The model.
        caller: The list of callbacks.
        count: The number of batches of the epoch.
        before: The number of batches that the data yield before the epoch.
        logs: Keras' logs after them.
        metric_values: The values of the metrics' variables after them.
        random: The state of the random generators after them.
        random_of_epoch: Their state when the data of the epoch began to be iterated over; None
            after no batch of it.
    """

    def __init__(
        self,
        model: Any,
        caller: Any,
        count: int,
        before: int,
        *,
        logs: Mapping[str, float],
        metric_values: Sequence[np.ndarray],
        random: Mapping[str, Any],
        random_of_epoch: Mapping[str, Any] | None,
    ) -> None:
        self._model = weakref.ref(model)
        self._left = self._offset = count
        self._before = before
        self._logs = dict(logs)
        self._values = list(metric_values)
        self._random_after = random
        self._random_of_epoch = random_of_epoch
        self._was_skipped = False
        self._train: Callable[..., Any] = model.train_function
        model.train_function = self
        caller.trained_before = count
        self._wrap_hooks(caller)
        weakref.finalize(caller, self._leave).atexit = False  # after a `fit` that was interrupted

    def __call__(self, *arguments: Any) -> Any:
        """Runs an execution of Keras' train function, or only draws its batches."""
        for _ in range(self._before):
            next(arguments[-1])
        if self._before and not self._left:
            random_state.restore(self._random_after)
        self._before = 0
        self._was_skipped = self._left > 0
        if not self._was_skipped:
            return self._train(*arguments)
        model = self._model()
        # PyTorch's train function gets the batches; the others' the iterator, JAX' after the state.
        for _ in range(min(self._left, steps_per_execution(model))):
            batch = None if backend() == "torch" else next(arguments[-1])
            self._left -= 1
            if self._values:  # else the first step makes the metrics' variables
                build_metrics(model, batch)
                self._restore_metrics()
        return (dict(self._logs), arguments[0]) if backend() == "jax" else dict(self._logs)

    def _wrap_hooks(self, caller: Any) -> None:
        begin, end = caller.on_train_batch_begin, caller.on_train_batch_end

        def on_train_batch_begin(batch: int, logs: Any = None) -> None:
            if not self._left:
                begin(batch - self._offset, logs)

        def on_train_batch_end(batch: int, logs: Any = None) -> None:
            if not self._was_skipped:
                end(batch - self._offset, logs)
            elif not self._left:
                random_state.restore(self._random_after)  # the data may have drawn some
                sync_state(self._model())  # callbacks find it as at the begin of an epoch

        def begin_epoch() -> None:
            random, self._random_of_epoch = self._random_of_epoch, None
            if random is not None:
                random_state.restore(random)
            self._restore_metrics()

        def end_epoch() -> None:
            self._offset = caller.trained_before = 0

        caller.on_train_batch_begin = on_train_batch_begin
        caller.on_train_batch_end = on_train_batch_end
        call_after_all(caller, "on_epoch_begin", begin_epoch)
        call_after_all(caller, "on_epoch_end", end_epoch)
        call_after_all(caller, "on_train_end", self._leave)

    def _restore_metrics(self) -> None:
        """Gives the metrics what they had, once they have variables."""
        variables = metric_variables(self._model())
        if len(variables) == len(self._values):
            for variable, value in zip(variables, self._values, strict=True):
                variable.assign(value)
            self._values = []

    def _leave(self) -> None:
        model = self._model()
        if model is not None and model.train_function is self:
            model.train_function = self._train
