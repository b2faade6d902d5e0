"""The learning rate of one optimizer, by batch of the epoch."""

from typing import Any

from wk_core.compat.keras.optimizers import (
    batches_trained,
    counting_optimizer,
    learning_rate_setting,
    parts_of,
    unwrap_optimizer,
)
from wk_metrics.learning_rate.rates import LazyValue, rate_of
from wk_metrics.learning_rate.watched_rate import WatchedRate


class OptimizerRate:
    """The learning rate of one optimizer, by batch of the epoch.

    A batch that does not apply the optimizer has no rate. Mixed precision computes the update of a
    batch and skips it if gradients overflow: that batch has the rate of the skipped update.

    Args:
        optimizer: The optimizer.
        model: The model that it trains.
        batch_wise: Whether the rates of single batches are needed.
        in_fit: Whether Keras' own `fit` trains the model.
        next_batch: The number of its first batch, within the epoch.
        is_new: Whether the model got it after the epoch, or the execution that now ends, began.
        trained: The number of batches that it has already trained, from `next_batch` on.

    Attributes:
        must_be_read: Whether the rate of a batch does not follow from the number of the batch:
            then it comes from `read`, else from `of_batch`.
        may_change: Whether the rate of an update is known only right after it.
    """

    def __init__(
        self,
        optimizer: Any,
        model: Any,
        *,
        batch_wise: bool,
        in_fit: bool,
        next_batch: int,
        is_new: bool,
        trained: int,
    ) -> None:
        self._optimizer = unwrap_optimizer(optimizer)
        self._setting = learning_rate_setting(self._optimizer)
        counting = counting_optimizer(model) if in_fit else None
        known = [] if counting is None else [unwrap_optimizer(counting), *parts_of(counting)]
        self._once_a_batch = any(each is self._optimizer for each in known)
        # What scales the loss is around it, or around the optimizer that it is a part of.
        scaled = counting if self._once_a_batch else optimizer
        self._may_skip = unwrap_optimizer(scaled) is not scaled
        # Keras' own step does not use an optimizer in an attribute; a callback may.
        self._is_idle = counting is not None and not self._once_a_batch
        self._rate = rate_of(self._optimizer, model, batch_wise=batch_wise)
        self.must_be_read = self._may_skip or not self._once_a_batch or not self._rate.by_count
        self.may_change = not self._rate.by_count
        self._first = next_batch
        self._at_first = batches_trained(self._optimizer) - trained
        self._count = self._at_epoch = 0 if is_new else self._at_first

    def is_of(self, optimizer: Any) -> bool:
        """Returns whether this is the rate of an optimizer with its present setting."""
        inner = unwrap_optimizer(optimizer)
        return inner is self._optimizer and learning_rate_setting(inner) is self._setting

    def start_epoch(self) -> None:
        """Records the count; to be called when an epoch begins."""
        self._first = 0
        self._at_first = self._count = self._at_epoch = batches_trained(self._optimizer)
        self._rate.forget_before(self._count)

    def read(self, batches: int) -> LazyValue | None:
        """Returns the rate of the execution that has just ended, while training waits.

        Args:
            batches: The number of batches of the execution.
        """
        before, self._count = self._count, batches_trained(self._optimizer)
        applied = self._count - before
        if self._once_a_batch and self._may_skip and applied < batches:
            # Which batch was skipped is known only if all of them were.
            return self._rate.at(self._count) if applied == 0 else None
        return self._of_last_update() if applied > 0 else None

    def of_batch(self, first: int, last: int) -> LazyValue | None:
        """Returns the rate of batch `last` of the epoch, in an execution that began at `first`."""
        if first < self._first:
            return None
        return self._rate.at(self._at_first + last - self._first)

    def has_trained(self, batch: int) -> bool:
        """Returns whether it was applied to a batch of the epoch, while training waits."""
        return batches_trained(self._optimizer) > self._at_first + batch - self._first

    def record_update(self) -> None:
        """Keeps the rate of the last update for `of_epoch`, if it may change until then."""
        if isinstance(self._rate, WatchedRate):
            self._rate.record_update(lambda: batches_trained(self._optimizer) - 1)

    def of_epoch(self) -> LazyValue | None:
        """Returns the rate of the last update of the epoch that has ended."""
        count = batches_trained(self._optimizer)
        if count > self._at_epoch:
            # Keras may hold back ends of batches in its pool, which still need their rates.
            self._rate.forget_before(self._at_epoch)
            self._count = self._at_epoch = count
            return self._rate.at(count - 1)
        is_set = self._is_idle or (self._once_a_batch and self._may_skip)
        return self._rate.at(count) if is_set else None

    def close(self) -> None:
        """Stops observing the optimizer."""
        self._rate.close()

    def _of_last_update(self) -> LazyValue | None:
        self._rate.forget_before(self._count - 1)
        return self._rate.at(self._count - 1)
