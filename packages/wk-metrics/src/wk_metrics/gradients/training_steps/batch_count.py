"""The true numbers of the batches of a `fit`, for a callback that follows its executions."""

from collections.abc import Mapping
from typing import Any

import wandb

from wk_core.compat.keras.flavour import steps_per_execution
from wk_core.compat.keras.optimizers import batches_trained, counting_optimizer
from wk_metrics.global_step import global_step_of


class BatchCount:
    """Numbers the batches in the whole training, as `WandbMetricsLogger` does.

    Args:
        run: The run.
        model: The model, which Keras' `fit` trains.
        params: What Keras tells callbacks of this `fit`.
    """

    def __init__(self, run: wandb.Run, model: Any, params: Mapping[str, Any] | None) -> None:
        self._run = run
        self._optimizer = counting_optimizer(model)
        self._global_step = global_step_of(run)
        self._steps: int | None = (params or {}).get("steps")
        self._stride = steps_per_execution(model)
        self._start: int | None = None
        self._trained_before = 0
        self._count = 0

    def begin(self, first: int, *, initial_epoch: int, number: int) -> None:
        """Records that the execution which starts with batch `first` of an epoch begins.

        Args:
            first: The number of the batch within the epoch.
            initial_epoch: The number of the epoch in this `fit`, as Keras counts.
            number: The number of the epoch in the whole training.
        """
        if first == 0 or self._start is None:
            self._begin_epoch(initial_epoch, number)
        self._count = first + self._stride
        if self._steps is not None:
            self._count = min(self._count, self._steps)

    def span(self, first: int) -> tuple[int, int]:
        """Returns the numbers of the first and the last batch of an execution that has begun."""
        assert self._start is not None
        return self._start + first, self._start + self._count - 1

    @property
    def is_last(self) -> bool:
        """Whether the execution that has begun is the epoch's last one, as far as is known."""
        return self._count == self._steps

    def end_epoch(self) -> None:
        """Records that the epoch has ended, for the next one and for other callbacks."""
        if self._start is None:
            return
        count = self._count
        if self._optimizer is not None:
            trained = batches_trained(self._optimizer) - self._trained_before
            # The last execution may be shorter, or longer than the epoch. What is further off comes
            # of updates that were skipped, or of a model that was put back.
            if abs(trained - count) < self._stride:
                count = trained
        self._global_step.remember(self._optimizer, self._start + count)

    def _begin_epoch(self, initial_epoch: int, number: int) -> None:
        self._start = self._global_step.start_batches(
            self._run,
            self._optimizer,
            initial_epoch=initial_epoch,
            first_epoch=number,
            steps_per_epoch=self._steps,
            given=None,
        )
        if self._optimizer is not None:
            self._trained_before = batches_trained(self._optimizer)
