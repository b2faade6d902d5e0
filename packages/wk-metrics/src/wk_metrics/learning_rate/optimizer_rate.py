"""The learning rate of one optimizer, by batch of the epoch."""

from typing import Any

from wk_core.optimizers import (
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

    A batch in which it is not applied has none. Mixed precision computes the update of a batch and
    leaves it out if gradients overflow: that batch has the rate of the update that was left out.

    Args:
        optimizer: The optimizer.
        model: The model that it trains.
        batch_wise: Whether single batches will be asked for.
        in_fit: Whether Keras' own `fit` trains the model.
        next_batch: The number of its first batch, within the epoch.
        is_new: Whether it was not there when the epoch began, or the execution that ends now.
        trained: How many batches it has trained already, from `next_batch` on.

    Attributes:
        must_be_read: Whether its count says more than the number of the batch, or its rate cannot
            be told afterwards: then the rates of batches come from `read`, else from `of_batch`.
        may_change: Whether its rate cannot be told afterwards.
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
        self._may_skip = self._optimizer is not optimizer
        counting = counting_optimizer(model) if in_fit else None
        known = [] if counting is None else [unwrap_optimizer(counting), *parts_of(counting)]
        self._once_a_batch = any(each is self._optimizer for each in known)
        # In Keras' own step one in an attribute is not used, unless by a callback.
        self._is_idle = counting is not None and not self._once_a_batch
        self._rate = rate_of(self._optimizer, model, batch_wise=batch_wise)
        self.must_be_read = self._may_skip or not self._once_a_batch or not self._rate.by_count
        self.may_change = not self._rate.by_count
        self._first = next_batch
        self._at_first = batches_trained(self._optimizer) - trained
        self._count = self._at_epoch = 0 if is_new else self._at_first

    def is_of(self, optimizer: Any) -> bool:
        """Tells whether this is the rate of an optimizer, as it is set now."""
        inner = unwrap_optimizer(optimizer)
        return inner is self._optimizer and learning_rate_setting(inner) is self._setting

    def start_epoch(self) -> None:
        """Takes up the count; to be called when an epoch begins."""
        self._first = 0
        self._at_first = self._count = self._at_epoch = batches_trained(self._optimizer)
        self._rate.settle(self._count)

    def read(self, batches: int) -> LazyValue | None:
        """Returns the rate of the execution that has just ended, the training thread waiting.

        Args:
            batches: How many batches it had.
        """
        before, self._count = self._count, batches_trained(self._optimizer)
        applied = self._count - before
        if self._once_a_batch and self._may_skip and applied < batches:
            # Which one was left out is known only where it is all of them.
            return self._rate.at(self._count) if applied == 0 else None
        return self._of_last_update() if applied > 0 else None

    def of_batch(self, first: int, last: int) -> LazyValue | None:
        """Returns the rate of batch `last` of the epoch, in an execution that began at `first`."""
        if first < self._first:
            return None
        return self._rate.at(self._at_first + last - self._first)

    def has_trained(self, batch: int) -> bool:
        """Tells whether it was applied to a batch of the epoch, the training thread waiting."""
        return batches_trained(self._optimizer) > self._at_first + batch - self._first

    def note_update(self) -> None:
        """Keeps the rate of the last update for `of_epoch`, if it could change until then."""
        if isinstance(self._rate, WatchedRate):
            self._rate.note_update(lambda: batches_trained(self._optimizer) - 1)

    def of_epoch(self) -> LazyValue | None:
        """Returns the rate that was last used in the epoch, when it has ended."""
        count = batches_trained(self._optimizer)
        if count > self._at_epoch:
            # Keras may hold back the ends of batches in its pool: they will be asked for still.
            self._rate.settle(self._at_epoch)
            self._count = self._at_epoch = count
            return self._rate.at(count - 1)
        is_set = self._is_idle or (self._once_a_batch and self._may_skip)
        return self._rate.at(count) if is_set else None

    def close(self) -> None:
        """Ends the observation of the optimizer."""
        self._rate.close()

    def _of_last_update(self) -> LazyValue | None:
        self._rate.settle(self._count - 1)
        return self._rate.at(self._count - 1)
