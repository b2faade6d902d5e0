"""What belongs to one call of `fit`, and not to the callback that has a part in it.

Keras hands a callback the model, the parameters and its siblings in each call of `fit`, `evaluate`
and `predict`: also in one that is made inside a `fit`, whose own they are not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wk_checkpoint.checkpoint import Checkpoint
from wk_checkpoint.epoch_count import EpochCount
from wk_checkpoint.monitor import Judgement
from wk_checkpoint.schedule import BatchInterval
from wk_checkpoint.step import Moment
from wk_core.callbacks import calling_list, calling_lists

__all__ = ["OngoingFit", "OngoingFits"]


@dataclass(eq=False)
class OngoingFit:
    """A `fit` from its begin to its end, as one callback sees it.

    Attributes:
        model: The model that is trained.
        caller: The list of callbacks that calls the hooks; None in a loop of the user's own.
        steps: How many batches an epoch has, where Keras knows.
        epochs: The numbers of its epochs.
        interval: When it is due by batches; None where it is by epochs.
        epoch: The epoch at work, as Keras calls it.
        last_batch: The batch that ended last in it, and what Keras reported; None at first.
        due: What is saved when all other callbacks have had their turn.
        passed: The end of the last epoch, where nothing was due at it.
    """

    model: Any
    caller: Any
    steps: int | None
    epochs: EpochCount
    interval: BatchInterval | None
    epoch: int = 0
    last_batch: tuple[int, Mapping[str, Any] | None] | None = None
    due: Checkpoint | None = None
    passed: tuple[Moment, Judgement] | None = None


class OngoingFits:
    """The calls of `fit` at work with one callback: one, and those inside it."""

    def __init__(self) -> None:
        self._fits: list[OngoingFit] = []

    @property
    def current(self) -> OngoingFit | None:
        """The innermost one; None outside."""
        return self._fits[-1] if self._fits else None

    def begin(self, fit: OngoingFit) -> OngoingFit:
        """Begins one. Of others those remain that are waiting for it; the rest has raised."""
        waiting = [each for each in calling_lists() if each is not fit.caller]
        self._fits = [each for each in self._fits if any(each.caller is one for one in waiting)]
        if self._fits and fit.interval is not None:
            fit.interval = BatchInterval(fit.interval.every)  # the one around it has its own
        self._fits.append(fit)
        return fit

    def end(self) -> None:
        """Ends the innermost one."""
        if self._fits:
            self._fits.pop()

    def at_epoch(self) -> OngoingFit | None:
        """Returns the one whose epoch begins or ends; those inside it are over by then."""
        caller = calling_list()
        if any(each.caller is caller for each in self._fits):
            while self._fits[-1].caller is not caller:
                self._fits.pop()
        return self.current

    def of(self, caller: Any) -> OngoingFit | None:
        """Returns the one whose hooks a list of callbacks calls."""
        known = (each for each in reversed(self._fits) if each.caller is caller)
        return next(known, None)
