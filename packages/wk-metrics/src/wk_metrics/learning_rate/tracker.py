"""The learning rates of a model's optimizers, by batch of the epoch."""

import sys
from functools import partial
from typing import Any, Final, NamedTuple

import wandb

from wk_core.keras import backend, state_is_in_variables, sync_state
from wk_core.optimizers import find_optimizers, is_optimizer, parts_of
from wk_metrics.learning_rate.optimizer_rate import OptimizerRate
from wk_metrics.learning_rate.rates import LazyValue

_PAST_THE_EPOCH: Final = sys.maxsize


class _Era(NamedTuple):
    """The rates of the optimizers that train from one batch of the epoch on."""

    first: int
    rates: dict[str, OptimizerRate]
    must_be_read: bool


class LearningRates:
    """The learning rates of a model's optimizers during one `fit`.

    Which optimizers a model has may change at any time: a callback compiles it anew, a training
    step makes one. Most rates follow from the number of the batch. Where one does not, as where the
    training step is the user's own, each execution's has to be read right behind it.

    Only the thread that trains looks the optimizers up; batches may be asked for in any other.

    Args:
        model: The model that is trained.
        batch_wise: Whether single batches will be asked for.
        in_fit: Whether Keras' own `fit` trains it.
        afterwards: Whether its first epoch is over already.

    Attributes:
        must_be_read: Whether `read` has to be called behind each execution that is asked for.
    """

    def __init__(
        self, model: Any, *, batch_wise: bool, in_fit: bool, afterwards: bool = False
    ) -> None:
        self._model = model
        self._batch_wise = batch_wise
        self._in_fit = in_fit
        self._main: Any = None
        self._eras: tuple[_Era, ...] = (_Era(0, {}, must_be_read=False),)
        self._read: dict[int, dict[str, LazyValue]] = {}
        self._of_epoch: dict[str, LazyValue] | None = None
        self._unknown: set[str] = set()
        self.must_be_read = False
        self.look_again(afterwards=afterwards)

    @property
    def are_outdated(self) -> bool:
        """Whether the model was compiled with another optimizer since it was looked at."""
        return getattr(self._model, "optimizer", None) is not self._main

    def look_behind(self, first: int, last: int) -> None:
        """Looks up, at the end of an execution, whether another optimizer has trained it.

        A callback may have compiled the model anew before the step, or behind it.

        Args:
            first: The number of its first batch, within the epoch.
            last: That of its last one.
        """
        if self.are_outdated and not self._has_trained(first):
            self.look_again(first, afterwards=True, trained=last + 1 - first)

    def look_again(
        self, next_batch: int = 0, *, afterwards: bool = False, trained: int = 0
    ) -> None:
        """Looks up which optimizers the model has now.

        On JAX the step of a model that was compiled anew goes on with the state of the optimizer
        before: no rate is known then until the epoch ends, and the state is in the variables.

        Args:
            next_batch: The number of the first batch of a new one, within the epoch.
            afterwards: Whether a new one may have been applied already.
            trained: How many batches a new one has trained, from `next_batch` on.
        """
        main = getattr(self._model, "optimizer", None)
        if main is not None and not is_optimizer(main):
            self._say_unknown("learning_rate", f"{type(main).__name__} has none that shows")
        before, rates = self._eras[-1].rates, dict[str, OptimizerRate]()
        can_be_read = state_is_in_variables(self._model)
        for key, optimizer in optimizers_by_key(self._model).items() if can_be_read else ():
            rate = before.get(key)
            if rate is None or not rate.is_of(optimizer):
                rate = self._rate_of(key, optimizer, next_batch, is_new=afterwards, trained=trained)
            if rate is not None:
                rates[key] = rate
        if rates != before:
            self.must_be_read = any(rate.must_be_read for rate in rates.values())
            self._eras = (*self._eras, _Era(next_batch, rates, self.must_be_read))
        for key, rate in before.items():
            if rates.get(key) is not rate:
                rate.close()
        self._main = main  # last: `are_outdated` holds until the new ones are there

    def start_epoch(self) -> None:
        """Takes up the optimizers and their counts; to be called when an epoch begins."""
        self._read.clear()
        self._of_epoch = None
        self.look_again()
        self._eras = (self._eras[-1]._replace(first=0),)
        for _, rate in self._all:
            rate.start_epoch()

    def read(self, first: int, last: int) -> None:
        """Reads the rates of the execution that has just ended, in the training thread.

        Needed only for the executions asked for and the ones before them, and only where rates
        `must_be_read`.

        Args:
            first: The number of its first batch, within the epoch.
            last: That of its last one.
        """
        sync_state(self._model)
        if self.are_outdated:
            self.look_again(first, afterwards=True)
        found = {key: self._careful(key, rate.read, last + 1 - first) for key, rate in self._all}
        self._read[first] = _known(found)

    def of_batch(self, first: int, last: int) -> dict[str, LazyValue]:
        """Returns the rates of batch `last` of the epoch, by key.

        Args:
            first: The batch at which Keras started the execution that ended with `last`.
            last: The batch.
        """
        era = self._eras[-1]
        if first < era.first:
            era = next(earlier for earlier in reversed(self._eras) if earlier.first <= first)
        if era.must_be_read:
            return self._read.pop(first, {})
        found = {}
        for key, optimizer_rate in era.rates.items():
            rate = self._careful(key, optimizer_rate.of_batch, first, last)
            if rate is not None:
                found[key] = rate
        return found

    @property
    def may_change(self) -> bool:
        """Whether a rate cannot be told afterwards, so that `note_updates` is needed."""
        return any(rate.may_change for _, rate in self._all)

    def note_updates(self) -> None:
        """Keeps, in the training thread, the rates of the execution that has just ended."""
        for key, rate in self._all:
            self._careful(key, rate.note_update)

    def read_epoch(self) -> None:
        """Reads the rates of the epoch that has just ended, before any callback changes one."""
        self.look_again(_PAST_THE_EPOCH, afterwards=True)
        self._of_epoch = {}
        eras = self._eras[-1:] if _loses_state() else self._eras
        for key, rate in dict.fromkeys(pair for era in eras for pair in era.rates.items()):
            self._of_epoch.update(_known({key: self._careful(key, rate.of_epoch)}))

    def of_epoch(self) -> dict[str, LazyValue]:
        """Returns the rates that were last used in an epoch, by key, when it has ended."""
        if self._of_epoch is None:
            self.read_epoch()
        found, self._of_epoch = self._of_epoch or {}, None
        return found

    def close(self) -> None:
        """Ends the observation of the optimizers."""
        for _, rate in self._all:
            rate.close()

    @property
    def _all(self) -> list[tuple[str, OptimizerRate]]:
        return list(self._eras[-1].rates.items())

    def _has_trained(self, batch: int) -> bool:
        """Tells whether the optimizer that was looked up last is known to have trained a batch."""
        rate = self._eras[-1].rates.get("learning_rate")
        if rate is None or _loses_state():
            return False
        return bool(self._careful("learning_rate", rate.has_trained, batch))

    def _rate_of(
        self, key: str, optimizer: Any, next_batch: int, *, is_new: bool, trained: int
    ) -> OptimizerRate | None:
        made: OptimizerRate | None = self._careful(
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

    def _careful(self, key: str, compute: Any, *arguments: Any) -> Any:
        """Returns what comes of it; None, said once, where it raises: it is only described."""
        try:
            result = compute(*arguments)
        except Exception as error:  # whatever a schedule of the user's may raise
            self._say_unknown(key, repr(error))
            return None
        return partial(self._careful, key, result) if callable(result) else result

    def _say_unknown(self, key: str, reason: str) -> None:
        if key not in self._unknown:
            self._unknown.add(key)
            wandb.termwarn(
                f"WandbMetricsLogger leaves out {key!r}, which could not be computed: {reason}."
            )


def optimizers_by_key(model: Any) -> dict[str, Any]:
    """Returns the optimizers of a model by the key of their learning rate.

    That is `learning_rate` for the optimizer of `compile`, and `learning_rate/<name>` for the
    parts of a `MultiOptimizer` and for optimizers in attributes of the model, as the two of a
    GAN.
    """
    found = {}
    for place, optimizer in find_optimizers(model).items():
        key = "learning_rate" if place == "optimizer" else f"learning_rate/{place}"
        parts = parts_of(optimizer)
        found.update({f"{key}/{part.name}": part for part in parts} or {key: optimizer})
    return found


def _loses_state() -> bool:
    """Tells whether an optimizer that is replaced within an epoch loses its state."""
    return backend() == "jax"


def _known(rates: dict[str, LazyValue | None]) -> dict[str, LazyValue]:
    return {key: rate for key, rate in rates.items() if rate is not None}
