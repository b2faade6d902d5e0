"""What a callback keeps from one `fit` to the next, and what `restore` restores."""

from collections.abc import Mapping
from typing import Any

from wk_checkpoint.monitor import Monitor
from wk_checkpoint.ongoing_fit import OngoingFit
from wk_checkpoint.retention import LocalFiles
from wk_checkpoint.schedule import BatchInterval

__all__ = ["Progress"]


class Progress:
    """What a callback keeps from one `fit` to the next; its copies start with the same.

    Args:
        monitor: The comparison of the monitored metric.
        interval: The interval between checkpoints in batches; None if they are due by epochs.
        files: The files to which a retention rule applies; None without a rule.
    """

    def __init__(
        self, monitor: Monitor, interval: BatchInterval | None, files: LocalFiles | None
    ) -> None:
        self.monitor = monitor
        self.interval = interval
        self.files = files
        self._resumed_epochs: Mapping[str, int] = {}

    def take_resumed_epochs(self) -> Mapping[str, int]:
        """Returns the epochs' numbers of a restored training; nothing from the second call on."""
        resumed, self._resumed_epochs = self._resumed_epochs, {}
        return resumed

    def state(self, fit: OngoingFit | None) -> dict[str, Any]:
        """Returns the state for `restore`; the present `fit` has a part of it."""
        interval = self.interval if fit is None else fit.interval
        return {
            "has_seen": self.monitor.has_seen,
            "epochs": {} if fit is None else fit.epochs.state(),
            "since_last": None if interval is None else interval.since_last,
            "files": None if self.files is None else self.files.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restores the state of an earlier process."""
        self.monitor.has_seen = state["has_seen"]
        self._resumed_epochs = state["epochs"]
        if self.interval is not None and state["since_last"] is not None:
            self.interval.since_last = state["since_last"]
        if self.files is not None and state["files"] is not None:
            self.files.restore(state["files"])
