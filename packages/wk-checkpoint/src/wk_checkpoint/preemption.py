"""Ending a training by SIGTERM, before the machine is taken away."""

import os
import signal
import threading
from types import FrameType
from typing import Any, Final

import wandb

__all__ = ["EXIT_STATUS", "Preemption"]

EXIT_STATUS: Final = 75
"""The exit status of a preempted process: "temporary failure, try again later" (EX_TEMPFAIL in
`sysexits.h`). A scheduler that restarts failed jobs restarts it."""


class Preemption:
    """Records SIGTERM, so that training can end at the end of a batch.

    Args:
        run: The run to mark as preempting.

    Attributes:
        requested: Whether SIGTERM has come since `install`.
    """

    def __init__(self, run: wandb.Run) -> None:
        self._run = run
        self._previous: Any = None
        self._is_installed = False
        self._process = 0
        self.requested = False

    def install(self) -> None:
        """Installs the signal handler, unless it is installed.

        Raises:
            RuntimeError: If this is not the main thread, which alone can handle signals.
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
        self._previous = signal.signal(signal.SIGTERM, self._handle)
        self._is_installed = True

    def uninstall(self) -> None:
        """Restores the previous handler, unless this one is uninstalled already.

        A handler that was set after this one stays. If it calls this one, the signal goes on to
        the previous one.
        """
        if self._is_installed:
            self._is_installed = False
            if signal.getsignal(signal.SIGTERM) == self._handle:
                signal.signal(signal.SIGTERM, self._previous)

    def end_process(self) -> None:
        """Marks the run as preempting, calls the previous handler, and ends the process.

        Raises:
            SystemExit: Always, with `EXIT_STATUS`, unless the previous handler raises.
        """
        if not self._run.disabled:
            self._run.mark_preempting()
        self.uninstall()
        if callable(self._previous):
            self._previous(signal.SIGTERM, None)
        raise SystemExit(EXIT_STATUS)

    def _handle(self, signal_number: int, frame: FrameType | None) -> None:
        if not self._is_installed:  # A later handler still calls this one.
            self._call_previous(signal_number, frame)
        elif self.requested or self._process != os.getpid():
            # A second signal, or one to a forked worker process: no training will answer it.
            self.uninstall()
            self._call_previous(signal_number, frame)
        else:
            self.requested = True

    def _call_previous(self, signal_number: int, frame: FrameType | None) -> None:
        """Does what the process would do without this handler."""
        if callable(self._previous):
            self._previous(signal_number, frame)
        elif self._previous != signal.SIG_IGN:
            signal.signal(signal_number, signal.SIG_DFL)
            signal.raise_signal(signal_number)
