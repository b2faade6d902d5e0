"""The process that wandb runs beside a test, and its end."""

import signal
import threading
import warnings

import psutil
import wandb

_TIMEOUT = 60


def end_client() -> None:
    """Ends wandb's process once it has sent everything, and forgets what the client knew.

    The process of wandb 0.31 sometimes waits for ever. Its client tells it to end and closes the
    connection at once; where the process is just then writing an answer, that fails, and it gives
    the connection up with what it has not read, the order to end among it. It is about one end in
    thousands after a run's history was read. Such a process is ended after a minute, having
    printed where it stood, and a warning says so.
    """
    hung = threading.Event()

    def end() -> None:
        hung.set()
        for process in psutil.Process().children():
            if process.name() == "wandb-core":
                process.send_signal(signal.SIGQUIT)  # A Go program prints its stacks and ends.

    timer = threading.Timer(_TIMEOUT, end)
    timer.start()
    try:
        wandb.teardown()
    except SystemExit:
        if not hung.is_set():
            raise
        warnings.warn("wandb's process did not end by itself", RuntimeWarning, stacklevel=2)
    finally:
        timer.cancel()
