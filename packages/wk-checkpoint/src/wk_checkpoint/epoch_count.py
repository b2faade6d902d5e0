"""The numbers of a training's epochs, which Keras counts from zero in every `fit`."""

import weakref
from collections.abc import Callable, Mapping
from typing import Any

import wandb

from wk_core.axes import EpochCounter, epoch_counter

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
        self._run = run
        self._counts = {
            "run": epoch_counter(run) if goes_on else EpochCounter(),
            "model": _epochs_of_model(run, model) if goes_on else EpochCounter(),
        }
        self._take_resumed = take_resumed
        self._offsets: dict[str, int] | None = None
        self._next = {name: count.next or 0 for name, count in self._counts.items()}

    def begin(self, epoch: int) -> None:
        """Begins an epoch, which Keras calls `epoch`."""
        self._next = self.numbers(epoch)

    def end(self, epoch: int) -> None:
        """Ends an epoch."""
        for name, number in self.numbers(epoch).items():
            self._counts[name].next = self._next[name] = number + 1

    def numbers(self, epoch: int) -> dict[str, int]:
        """Returns the numbers of what Keras calls `epoch`, in the `run` and of the `model`."""
        if self._offsets is None:
            resumed = self._take_resumed()
            self._offsets = {
                name: count.before(self._run, epoch, resumed_at=resumed.get(name))
                for name, count in self._counts.items()
            }
        return {name: epoch + offset for name, offset in self._offsets.items()}

    def state(self) -> dict[str, int]:
        """Returns what a training that is resumed has to know: the numbers to come."""
        return dict(self._next)


def _epochs_of_model(run: wandb.Run, model: Any) -> EpochCounter:
    return _of_models.setdefault(run, weakref.WeakKeyDictionary()).setdefault(model, EpochCounter())


_of_models: "weakref.WeakKeyDictionary[wandb.Run, weakref.WeakKeyDictionary[Any, EpochCounter]]" = (
    weakref.WeakKeyDictionary()
)
