"""Ending a training in time when the machine is about to be taken away."""

import os
import signal
import threading
from types import FrameType
from typing import Any, Final

import wandb

__all__ = ["EXIT_STATUS", "Preemption"]

EXIT_STATUS: Final = 75
"""The status with which a preempted process ends: "temporary failure, try again later" (EX_TEMPFAIL
in `sysexits.h`). Schedulers that restart what fails, restart it."""


class Preemption:
    """Takes note of SIGTERM, so that training can end at a batch's end.

    Args:
        run: The run to mark as preempted.
    """

    def __init__(self, run: wandb.Run) -> None:
        self._run = run
        self._previous: Any = None
        self._is_installed = False
        self._process = 0
        self.requested = False

    def install(self) -> None:
        """Begins to listen.

        Raises:
            RuntimeError: If this is not the main thread: Python gives signals to that one only.
        """
        if self._is_installed:
            return
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError(
                "WandbModelCheckpoint(preemption=True) needs `fit` to be called in the main "
                "thread: Python gives signals to that one only."
            )
        self.requested = False
        self._process = os.getpid()
        self._previous = signal.signal(signal.SIGTERM, self._note)
        self._is_installed = True

    def uninstall(self) -> None:
        """Puts the handler back that was there before; does nothing the second time.

        A handler that somebody else has set meanwhile stays: it may call this one, which then
        hands on to the one before it.
        """
        if self._is_installed:
            self._is_installed = False
            if signal.getsignal(signal.SIGTERM) == self._note:
                signal.signal(signal.SIGTERM, self._previous)

    def end_process(self) -> None:
        """Marks the run, lets the previous handler do its part, and ends the process.

        Raises:
            SystemExit: Always, unless the previous handler raises something else.
        """
        if not self._run.disabled:
            self._run.mark_preempting()
        self.uninstall()
        if callable(self._previous):
            self._previous(signal.SIGTERM, None)
        raise SystemExit(EXIT_STATUS)

    def _note(self, signal_number: int, frame: FrameType | None) -> None:
        if not self._is_installed:  # another handler goes on calling this one
            self._hand_on(signal_number, frame)
        elif self.requested or self._process != os.getpid():
            # Nobody has answered the first one: no training is under way. Nor is one in a worker
            # that was forked during it, and is to end.
            self.uninstall()
            self._hand_on(signal_number, frame)
        else:
            self.requested = True

    def _hand_on(self, signal_number: int, frame: FrameType | None) -> None:
        """Does what would have been done without this handler."""
        if callable(self._previous):
            self._previous(signal_number, frame)
        elif self._previous != signal.SIG_IGN:
            signal.signal(signal_number, signal.SIG_DFL)
            signal.raise_signal(signal_number)
