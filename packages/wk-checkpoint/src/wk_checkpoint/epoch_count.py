"""The numbers of a training's epochs, which Keras counts from zero in every `fit`."""

import weakref
from collections.abc import Callable, Mapping
from typing import Any

import wandb

from wk_core.epochs import EpochCounter, EpochNumbers

__all__ = ["EpochCount"]


class EpochCount:
    """Numbers the epochs of one `fit`, in the run and in the training of its model.

    The run's numbers are those of its charts, where all that it trains goes on. They differ from
    the model's where several models are trained in one run, one after the other.

    Args:
        run: The run.
        model: The model.
        take_resumed: Called when the first epoch begins: returns what `state` has returned, in a
            training that is resumed, else nothing.
        goes_on: Whether it goes on where the last `fit` has ended; else it is as Keras counts.
    """

    def __init__(
        self,
        run: wandb.Run,
        model: Any,
        take_resumed: Callable[[], Mapping[str, int]],
        *,
        goes_on: bool = True,
    ) -> None:
        counters = {
            "run": None if goes_on else EpochCounter(),  # None: the one that all callbacks share
            "model": _epochs_of_model(run, model) if goes_on else EpochCounter(),
        }
        self._numbers = {
            name: EpochNumbers(run, counter=counter) for name, counter in counters.items()
        }
        self._take_resumed = take_resumed

    def begin(self, epoch: int) -> None:
        """Begins an epoch, which Keras calls `epoch`."""
        if not self._numbers["run"].has_begun:
            resumed = self._take_resumed()
            for name, numbers in self._numbers.items():
                numbers.resume_at(resumed.get(name))
        for numbers in self._numbers.values():
            numbers.begin(epoch)

    def end(self, epoch: int) -> None:
        """Ends an epoch."""
        self._begin_if_unknown(epoch)
        for numbers in self._numbers.values():
            numbers.end(epoch)

    def numbers(self, epoch: int) -> dict[str, int]:
        """Returns the numbers of what Keras calls `epoch`, in the `run` and of the `model`."""
        self._begin_if_unknown(epoch)
        return {name: numbers.number(epoch) for name, numbers in self._numbers.items()}

    def state(self) -> dict[str, int]:
        """Returns what a training that is resumed has to know: the numbers to come."""
        return {name: numbers.next for name, numbers in self._numbers.items()}

    def _begin_if_unknown(self, epoch: int) -> None:
        """Begins an epoch, in a loop that does not call the hook."""
        if not self._numbers["run"].has_begun:
            self.begin(epoch)


def _epochs_of_model(run: wandb.Run, model: Any) -> EpochCounter:
    return _of_models.setdefault(run, weakref.WeakKeyDictionary()).setdefault(model, EpochCounter())


_of_models: "weakref.WeakKeyDictionary[wandb.Run, weakref.WeakKeyDictionary[Any, EpochCounter]]" = (
    weakref.WeakKeyDictionary()
)
