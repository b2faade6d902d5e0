"""The learning rates of a model's optimizers, by batch of the epoch."""

from typing import Any

from wk_core.keras import LEGACY, batches_trained, keras, sync_state, unwrap_optimizer
from wk_metrics.rate import Deferred, rate_of


class LearningRates:
    """The learning rates of a model's optimizers during one `fit`.

    Args:
        model: The model that is trained.
        batch_wise: Whether single batches will be asked for.
    """

    def __init__(self, model: Any, *, batch_wise: bool) -> None:
        self._model = model
        self._rates = {
            key: _OptimizerRate(optimizer, model, batch_wise=batch_wise)
            for key, optimizer in find_optimizers(model).items()
        }
        self.may_skip_batches = any(rate.may_skip for rate in self._rates.values())

    def start_epoch(self) -> None:
        """Takes up the optimizers' counts; to be called when an epoch begins."""
        for rate in self._rates.values():
            rate.start_epoch()

    def note_batch(self, first: int) -> None:
        """Looks up the optimizers' counts at batch `first` of the epoch, before it is trained.

        Needed only for the batches asked for, and only where `may_skip_batches`: mixed precision
        skips the update of a batch whose gradients overflow, and the schedule then stands still.
        """
        sync_state(self._model)
        for rate in self._rates.values():
            rate.note_batch(first)

    def of_batch(self, first: int, last: int) -> dict[str, Deferred]:
        """Returns the rates of batch `last` of the epoch, by key.

        Args:
            first: The batch at which Keras started the execution that ended with `last`.
            last: The batch.
        """
        return _known({key: rate.of_batch(first, last) for key, rate in self._rates.items()})

    def of_last_batch(self) -> dict[str, Deferred]:
        """Returns the rates of the batch trained last, by key; to be called between epochs."""
        return _known({key: rate.of_last_batch() for key, rate in self._rates.items()})

    def close(self) -> None:
        """Ends the observation of the optimizers."""
        for rate in self._rates.values():
            rate.close()


def find_optimizers(model: Any) -> dict[str, Any]:
    """Finds the optimizers of a model by the key of their learning rate.

    That is `learning_rate` for the optimizer of `compile`, and `learning_rate/<name>` for the
    parts of a `MultiOptimizer` and for optimizers in attributes of the model, as the two of a
    GAN.
    """
    found = {}
    main = getattr(model, "optimizer", None)
    if not LEGACY and isinstance(main, keras.optimizers.MultiOptimizer):
        found.update({f"learning_rate/{part.name}": part for part in main.optimizers})
    elif isinstance(main, keras.optimizers.Optimizer):
        found["learning_rate"] = main
    for name, value in vars(model).items():
        if isinstance(value, keras.optimizers.Optimizer) and value is not main:
            found[f"learning_rate/{name}"] = value
    return found


class _OptimizerRate:
    """The learning rate of one optimizer, by batch of the epoch."""

    def __init__(self, optimizer: Any, model: Any, *, batch_wise: bool) -> None:
        self._optimizer = unwrap_optimizer(optimizer)
        self.may_skip = self._optimizer is not optimizer
        self._rate = rate_of(self._optimizer, model, batch_wise=batch_wise)
        self._noted: dict[int, int] = {}
        self._count = 0

    def start_epoch(self) -> None:
        self._count = batches_trained(self._optimizer)
        self._noted.clear()
        self._rate.settle(self._count)

    def note_batch(self, first: int) -> None:
        self._noted[first] = batches_trained(self._optimizer)

    def of_batch(self, first: int, last: int) -> Deferred | None:
        count = self._noted.pop(first, self._count + first)
        return self._rate.at(count + last - first)

    def of_last_batch(self) -> Deferred | None:
        last = batches_trained(self._optimizer) - 1
        self._rate.settle(last)
        return self._rate.at(last)

    def close(self) -> None:
        self._rate.close()


def _known(rates: dict[str, Deferred | None]) -> dict[str, Deferred]:
    return {key: rate for key, rate in rates.items() if rate is not None}
