"""The numbers of epochs in the whole training."""

from collections.abc import Mapping
from typing import Any

import wandb

from wk_core.axes import define_axis, epoch_counter, last_row


class EpochNumbers:
    """Numbers the epochs of a training from its beginning, across several calls of `fit`.

    Args:
        run: The run.
        prefix: The first part of the keys that the callback logs; `<prefix>/epoch` becomes their x
            axis. None for a callback that logs no rows.
    """

    def __init__(self, run: wandb.Run, prefix: str | None) -> None:
        self._run = run
        self._key = None if prefix is None else f"{prefix}/epoch"
        self._shared = epoch_counter(run)
        if self._key is not None:
            self._shared.add_axis(self._key)
            if not run.disabled:
                define_axis(run, str(prefix), "epoch")
        self._current = self._shared.next or 0
        self._offset: int | None = None
        self._resumed_at: int | None = None
        self._logged = -1

    def begin_fit(self) -> None:
        """Makes the next `begin` find out where the training stands."""
        self._offset = None

    def begin(self, epoch: int) -> None:
        """Records that an epoch begins, whose number in this `fit` is `epoch`."""
        if self._offset is None:
            self._offset = self._shared.before(self._run, epoch, resumed_at=self._resumed_at)
            self._resumed_at = None
        self._current = self.number(epoch)

    def end(self, epoch: int) -> None:
        """Records that an epoch has ended, whose number in this `fit` is `epoch`."""
        self._current = self.number(epoch) + 1
        if self._offset is not None:  # else a subclass has overridden the hook that calls `begin`
            self._shared.next = self._current

    def number(self, epoch: int) -> int:
        """Returns an epoch's number in the whole training, given its number in this `fit`."""
        return epoch + (self._offset or 0)

    def is_new(self, number: int) -> bool:
        """Returns whether the run has no row of an epoch yet; a resumed run may have one."""
        return number > self._logged

    def state(self) -> dict[str, int]:
        """Returns what a resumed training needs."""
        return {"next_epoch": self._current}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continues from a state in the next `fit`."""
        self._resumed_at = state["next_epoch"]
        last = None if self._key is None else last_row(self._run, self._key)
        self._logged = -1 if last is None else last
