"""The numbers of the epochs that an evaluation looks at."""

from collections.abc import Mapping
from typing import Any

import wandb

from wk_core.axes import define_axis, last_row
from wk_core.epochs import epochs_of


class EpochNumbers:
    """Numbers the epochs of a training from its beginning, across several calls of `fit`.

    Args:
        run: The run.
        prefix: What is in front of the evaluation's keys; `<prefix>/epoch` is their x axis.
    """

    def __init__(self, run: wandb.Run, prefix: str) -> None:
        self._run = run
        self._key = f"{prefix}/epoch"
        self._shared = epochs_of(run)
        self._shared.add_axis(self._key)
        if not run.disabled:
            define_axis(run, prefix, "epoch")
        self._current = self._shared.next or 0
        self._offset: int | None = None
        self._resumed_at: int | None = None
        self._logged = -1

    def begin_fit(self) -> None:
        """Has the next epoch find out where training stands."""
        self._offset = None

    def begin(self, epoch: int) -> None:
        """Begins an epoch, which Keras calls `epoch`."""
        if self._offset is None:
            self._offset = self._shared.before(self._run, epoch, resumed_at=self._resumed_at)
            self._resumed_at = None
        self._current = self.number(epoch)

    def end(self, epoch: int) -> None:
        """Ends an epoch."""
        self._shared.next = self._current = self.number(epoch) + 1

    def number(self, epoch: int) -> int:
        """Returns the number of what Keras calls `epoch`."""
        return epoch + (self._offset or 0)

    def is_new(self, number: int) -> bool:
        """Tells whether the run lacks the row of an epoch; a resumed one may have it."""
        return number > self._logged

    def state(self) -> dict[str, int]:
        """Returns what a training that is resumed has to know."""
        return {"next_epoch": self._current}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on from a state, in the `fit` that comes next."""
        self._resumed_at = state["next_epoch"]
        last = last_row(self._run, self._key)
        self._logged = -1 if last is None else last
