"""The rows of batches."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from wk_core.compat.keras.flavour import steps_per_execution
from wk_core.compat.keras.hooks import last_batch_finder
from wk_core.compat.keras.optimizers import batches_trained, counting_optimizer
from wk_metrics.batches import EpochBatches


class BatchRows:
    """Logs Keras' logs of the batches 0, N, 2N … of each epoch of a `fit`.

    Keras may call `end` from several threads and out of order; rows are logged in order.

    Args:
        log: Logs one row.
        every: N.
        model: The model.
        steps_per_epoch: The batches of an epoch; None if unknown.
    """

    def __init__(
        self,
        log: Callable[[Mapping[str, Any]], None],
        every: int,
        model: Any,
        steps_per_epoch: int | None,
    ) -> None:
        self._log = log
        self._every = every
        self._model = model
        self._steps_per_epoch = steps_per_epoch
        self._stride = steps_per_execution(model)
        self._lock = threading.Lock()
        self.start_epoch()

    def start_epoch(self) -> None:
        """Starts to count batches at 0."""
        self._batches = EpochBatches(self._stride)
        self._last_batch = last_batch_finder(self._model)
        self._trained_before = self._trained()

    def end(self, batch: int, logs: Mapping[str, Any]) -> None:
        """Adds the arguments of the hook at the end of what Keras calls `batch` of the epoch."""
        with self._lock:
            self._batches.add(self._last_batch(batch), dict(logs))
            for execution in self._batches.ready():
                self._log_if_due(*execution)

    def end_epoch(self) -> None:
        """Logs the remaining rows of the epoch."""
        with self._lock:
            for execution in self._batches.end(self._true_count()):
                self._log_if_due(*execution)

    def _log_if_due(self, first: int, last: int, logs: Mapping[str, Any]) -> None:
        # One of the batches from `first` to `last` is a multiple of N.
        if last // self._every > (first - 1) // self._every:
            self._log(logs)

    def _true_count(self) -> int | None:
        """Returns the batches of the epoch; the hooks may count past the last batch."""
        trained = self._trained() - self._trained_before
        return trained if trained > 0 else self._steps_per_epoch

    def _trained(self) -> int:
        optimizer = counting_optimizer(self._model)
        return 0 if optimizer is None else batches_trained(optimizer)
