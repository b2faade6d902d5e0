"""The learning rates of a model's optimizers, by batch of the epoch."""

import sys
from functools import partial
from operator import is_not
from typing import Any, Final, NamedTuple

import wandb

from wk_core.compat.keras.flavour import backend
from wk_core.compat.keras.optimizers import (
    awaits_parts,
    find_optimizers,
    is_optimizer,
    parts_of,
)
from wk_core.compat.keras.training import state_is_in_variables, sync_state
from wk_core.state.rollback import rollbacks
from wk_metrics.learning_rate.optimizer_rate import OptimizerRate
from wk_metrics.learning_rate.rates import LazyValue

_PAST_THE_EPOCH: Final = sys.maxsize


class _Period(NamedTuple):
    """The rates of the optimizers from one batch of the epoch on."""

    first: int
    rates: dict[str, OptimizerRate]
    must_be_read: bool


class LearningRates:
    """The learning rates of a model's optimizers during one `fit`.

    The optimizers of a model may change at any time: a callback compiles it again, or a training
    step makes an optimizer. Most rates follow from the number of the batch. If a rate does not, as
    in a training step of the user's own, it must be read right after each execution.

    Only the training thread looks up the optimizers; the rates of batches can be requested in any
    thread.

    Args:
        model: The model that is trained.
        batch_wise: Whether the rates of single batches are needed.
        in_fit: Whether Keras' own `fit` trains it.
        afterwards: Whether its first epoch is already over.

    Attributes:
        must_be_read: Whether `read` must be called after each execution whose rates are needed.
    """

    def __init__(
        self, model: Any, *, batch_wise: bool, in_fit: bool, afterwards: bool = False
    ) -> None:
        self._model = model
        self._batch_wise = batch_wise
        self._in_fit = in_fit
        self._main: list[Any] = []
        self._periods: tuple[_Period, ...] = (_Period(0, {}, must_be_read=False),)
        self._read: dict[int, dict[str, LazyValue]] = {}
        self._of_epoch: dict[str, LazyValue] | None = None
        self._unknown: set[str] = set()
        self._rollbacks = rollbacks()
        self.must_be_read = False
        self.refresh(afterwards=afterwards)

    @property
    def are_outdated(self) -> bool:
        """Whether the optimizers were replaced, added or put back since the last `refresh`."""
        if self._rollbacks != rollbacks():
            return True
        main = _main_optimizers(self._model)
        # Not `==`, which a class of the user's may override.
        return len(main) != len(self._main) or any(map(is_not, main, self._main))

    def refresh_after(self, first: int, last: int) -> None:
        """Looks up, at the end of an execution, whether another optimizer has trained it.

        A callback may have compiled the model again before the step or after it.

        Args:
            first: The number of the execution's first batch within the epoch.
            last: The number of its last batch.
        """
        if self.are_outdated and not self._has_trained(first):
            self.refresh(first, afterwards=True, trained=last + 1 - first)

    def refresh(self, next_batch: int = 0, *, afterwards: bool = False, trained: int = 0) -> None:
        """Looks up which optimizers the model has now.

        On JAX, after a model is compiled again, its step still uses the state of the old optimizer.
        No rate is known then until the epoch ends, when the state is in the variables.

        Args:
            next_batch: The number of a new optimizer's first batch within the epoch.
            afterwards: Whether a new optimizer may already have been applied.
            trained: The number of batches that a new optimizer has trained, from `next_batch` on.
        """
        main, *parts = _main_optimizers(self._model)
        if main is not None and not is_optimizer(main):
            self._warn_unknown("learning_rate", f"{type(main).__name__} has none that shows")
        before, rates = self._periods[-1].rates, dict[str, OptimizerRate]()
        was_put_back, self._rollbacks = self._rollbacks != rollbacks(), rollbacks()
        if was_put_back:
            sync_state(self._model)
        can_be_read = state_is_in_variables(self._model)
        for key, optimizer in optimizers_by_key(self._model).items() if can_be_read else ():
            rate = before.get(key)
            if rate is None or was_put_back or not rate.is_of(optimizer):
                rate = self._rate_of(key, optimizer, next_batch, is_new=afterwards, trained=trained)
            if rate is not None:
                rates[key] = rate
        must_be_read = awaits_parts(main) or any(rate.must_be_read for rate in rates.values())
        if rates != before or must_be_read != self.must_be_read:
            self.must_be_read = must_be_read
            self._periods = (*self._periods, _Period(next_batch, rates, self.must_be_read))
        for key, rate in before.items():
            if rates.get(key) is not rate:
                rate.close()
        self._main = [main, *parts]  # last: until here, `are_outdated` is true

    def start_epoch(self) -> None:
        """Looks up the optimizers and their counts; to be called when an epoch begins."""
        self._read.clear()
        self._of_epoch = None
        self.refresh()
        self._periods = (self._periods[-1]._replace(first=0),)
        for _, rate in self._all:
            rate.start_epoch()

    def read(self, first: int, last: int) -> None:
        """Reads the rates of the execution that has just ended, in the training thread.

        Needed only if rates `must_be_read`, for each execution whose rates are needed and for the
        execution before it.

        Args:
            first: The number of the execution's first batch within the epoch.
            last: The number of its last batch.
        """
        sync_state(self._model)
        if self.are_outdated:
            self.refresh(first, afterwards=True, trained=last + 1 - first)
        found = {key: self._safely(key, rate.read, last + 1 - first) for key, rate in self._all}
        self._read[first] = _known(found)

    def of_batch(self, first: int, last: int) -> dict[str, LazyValue]:
        """Returns the rates of batch `last` of the epoch, by key.

        Args:
            first: The first batch of the execution that ended with `last`.
            last: The batch.
        """
        period = self._periods[-1]
        if first < period.first:
            period = next(earlier for earlier in reversed(self._periods) if earlier.first <= first)
        if period.must_be_read:
            return self._read.pop(first, {})
        found = {}
        for key, optimizer_rate in period.rates.items():
            rate = self._safely(key, optimizer_rate.of_batch, first, last)
            if rate is not None:
                found[key] = rate
        return found

    @property
    def may_change(self) -> bool:
        """Whether a rate is known only right after its update; if so, call `record_updates`."""
        return awaits_parts(self._main[0]) or any(rate.may_change for _, rate in self._all)

    def record_updates(self) -> None:
        """Keeps, in the training thread, the rates of the execution that has just ended."""
        if self.are_outdated:
            self.refresh(afterwards=True)
        for key, rate in self._all:
            self._safely(key, rate.record_update)

    def read_epoch(self) -> None:
        """Reads the rates of the epoch that has just ended, before a callback changes one."""
        self.refresh(_PAST_THE_EPOCH, afterwards=True)
        self._of_epoch = {}
        periods = self._periods[-1:] if _loses_state() else self._periods
        for key, rate in dict.fromkeys(pair for period in periods for pair in period.rates.items()):
            self._of_epoch.update(_known({key: self._safely(key, rate.of_epoch)}))

    def of_epoch(self) -> dict[str, LazyValue]:
        """Returns the rates of the last updates of the epoch that has ended, by key."""
        if self._of_epoch is None:
            self.read_epoch()
        found, self._of_epoch = self._of_epoch or {}, None
        return found

    def close(self) -> None:
        """Stops observing the optimizers."""
        for _, rate in self._all:
            rate.close()

    @property
    def _all(self) -> list[tuple[str, OptimizerRate]]:
        return list(self._periods[-1].rates.items())

    def _has_trained(self, batch: int) -> bool:
        """Returns whether the optimizer of the last `refresh` is known to have trained a batch."""
        rate = self._periods[-1].rates.get("learning_rate")
        if rate is None or _loses_state():
            return False
        return bool(self._safely("learning_rate", rate.has_trained, batch))

    def _rate_of(
        self, key: str, optimizer: Any, next_batch: int, *, is_new: bool, trained: int
    ) -> OptimizerRate | None:
        made: OptimizerRate | None = self._safely(
            key,
            lambda: OptimizerRate(
                optimizer,
                self._model,
                batch_wise=self._batch_wise,
                in_fit=self._in_fit,
                next_batch=next_batch,
                is_new=is_new,
                trained=trained,
            ),
        )
        return made

    def _safely(self, key: str, compute: Any, *arguments: Any) -> Any:
        """Returns the result of `compute`; None, with one warning, if it raises."""
        try:
            result = compute(*arguments)
        except Exception as error:  # whatever a schedule of the user's may raise
            self._warn_unknown(key, repr(error))
            return None
        return partial(self._safely, key, result) if callable(result) else result

    def _warn_unknown(self, key: str, reason: str) -> None:
        if key not in self._unknown:
            self._unknown.add(key)
            wandb.termwarn(
                f"WandbMetricsLogger leaves out {key!r}, which could not be computed: {reason}."
            )


def optimizers_by_key(model: Any) -> dict[str, Any]:
    """Returns the optimizers of a model by the key of their learning rate.

    The key is `learning_rate` for the optimizer of `compile`, and `learning_rate/<name>` for the
    parts of a `MultiOptimizer` and for optimizers in attributes of the model, such as the two
    optimizers of a GAN. A `MultiOptimizer` whose parts are not known yet is left out.
    """
    found = {}
    for place, optimizer in find_optimizers(model).items():
        key = "learning_rate" if place == "optimizer" else f"learning_rate/{place}"
        if awaits_parts(optimizer):
            continue
        parts = parts_of(optimizer)
        found.update({f"{key}/{part.name}": part for part in parts} or {key: optimizer})
    return found


def _main_optimizers(model: Any) -> list[Any]:
    """Returns the optimizer of `compile`, which may be None, and its parts."""
    main = getattr(model, "optimizer", None)
    return [main, *parts_of(main)]


def _loses_state() -> bool:
    """Returns whether an optimizer that is replaced within an epoch loses its state."""
    return backend() == "jax"


def _known(rates: dict[str, LazyValue | None]) -> dict[str, LazyValue]:
    return {key: rate for key, rate in rates.items() if rate is not None}
