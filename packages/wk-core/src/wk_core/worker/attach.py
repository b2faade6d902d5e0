"""The runs of a worker process: the main process's, and one of its own."""

import atexit
import multiprocessing.util
import os
import pickle
import signal
import sys
import threading
from types import FrameType
from typing import Any, Final

import wandb

from wk_core.compat.processes import end_of_workers
from wk_core.compat.wandb.run_hooks import finish_within, set_local_config

__all__ = ["attached_run", "init_worker_run", "wait_for_workers_at_exit"]

# A forked worker inherits those of its parent, and must not use them.
_attached: Final[dict[tuple[int, str], wandb.Run]] = {}
_own: Final[dict[tuple[int, str], wandb.Run]] = {}
_lock: Final = threading.Lock()
_UNTIL_REPEATED: Final = 0.1  # seconds


def attached_run(run_id: str, pickled_run: bytes, config: dict[str, Any]) -> wandb.Run:
    """Returns another process's run, to which this process can log.

    Args:
        run_id: Its id.
        pickled_run: The run, pickled.
        config: Its config.

    Raises:
        wandb.Error: If the run is finished.
    """
    key = os.getpid(), run_id
    with _lock:
        if key not in _attached:
            run = pickle.loads(pickled_run)
            try:
                _ = run.id  # makes the connection
            except wandb.errors.UsageError as error:
                raise wandb.Error(
                    f"A worker process cannot log to run {run_id!r}, which is finished, or whose "
                    "process is gone: keep it open for as long as there are workers."
                ) from error
            # This is `wandb.run` now, and its config, which wandb leaves empty, is `wandb.config`.
            set_local_config(run, config)
            run.finish = _leave_open  # else it would end for the main process, too
            _attached[key] = run
        return _attached[key]


def init_worker_run(
    main_run_id: str, *, server: str, finish_timeout: float, **arguments: Any
) -> wandb.Run:
    """Returns this worker process's own run beside another one; begins it at the first call.

    It finishes at the end of the process, and at SIGTERM, with which pools end their workers.

    Args:
        main_run_id: The other run's id.
        server: The address of the new run's server.
        finish_timeout: How many seconds it may take to finish.
        **arguments: Arguments of `wandb.init`.
    """
    key = os.getpid(), main_run_id
    with _lock:
        if key not in _own:
            settings = wandb.Settings(base_url=server, **finish_within(finish_timeout))
            run = wandb.init(reinit="create_new", settings=settings, **arguments)
            # Processes of `multiprocessing` end without the hooks of `atexit`.
            multiprocessing.util.Finalize(None, run.finish, exitpriority=100)
            if threading.current_thread() is threading.main_thread():
                _exit_at_sigterm()
            _own[key] = run
        return _own[key]


def wait_for_workers_at_exit() -> None:
    """Makes this process end its workers at exit before it ends wandb's service.

    Workers log through that service. Hooks of `atexit` do both, the last registered first, and
    `multiprocessing` is usually imported before a run begins, so its hook would come too late.
    """
    hook = end_of_workers()
    if hook is not None:
        atexit.unregister(hook)
        atexit.register(hook)


def _exit_at_sigterm() -> None:
    """Makes SIGTERM end this process, with its hooks, whatever the main thread waits for.

    Python runs handlers in the main thread, when that comes back to Python. A signal that comes
    just before it waits for a lock of `multiprocessing`, as workers of pools do, does not wake it,
    so the signal is repeated.
    """
    noticed = threading.Event()

    def exit_once(signal_number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        noticed.set()
        if not multiprocessing.util.is_exiting():  # else the run is finishing already
            raise SystemExit(128 + signal_number)

    # Whatever was there, a forked worker has it from its parent.
    signal.signal(signal.SIGTERM, exit_once)
    if sys.platform == "win32":
        return
    arrived, arriving = os.pipe()
    os.set_blocking(arriving, False)
    signal.set_wakeup_fd(arriving, warn_on_full_buffer=False)
    # A process that this one forks shares the pipe: its signals are not this one's.
    os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))
    main = threading.get_ident()

    def repeat() -> None:
        while os.read(arrived, 1) != bytes([signal.SIGTERM]):
            pass
        while not noticed.wait(_UNTIL_REPEATED):
            signal.pthread_kill(main, signal.SIGTERM)

    threading.Thread(target=repeat, name="wk_core.worker.worker_run.repeat", daemon=True).start()


def _leave_open(exit_code: int | None = None) -> None:
    pass
