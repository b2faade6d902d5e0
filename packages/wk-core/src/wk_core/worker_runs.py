"""The runs of a worker process: the main process's, and one of its own."""

import atexit
import multiprocessing.util
import os
import pickle
import signal
import threading
from types import FrameType
from typing import Any, Final

import wandb

__all__ = ["attached_run", "outlast_workers", "own_run"]

# A forked worker inherits those of its parent, and must not use them.
_attached: Final[dict[tuple[int, str], wandb.Run]] = {}
_own: Final[dict[tuple[int, str], wandb.Run]] = {}
_lock: Final = threading.Lock()


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
            # This is `wandb.run` now, and its config, which wandb leaves empty, `wandb.config`.
            run.config._update(config, allow_val_change=True)
            run.finish = _leave_open  # else it would end for the main process, too
            _attached[key] = run
        return _attached[key]


def own_run(main_run_id: str, *, settings: dict[str, Any], **arguments: Any) -> wandb.Run:
    """Returns this worker process's own run beside another one; begins it at the first call.

    It finishes at the end of the process, and at SIGTERM, with which pools end their workers.

    Args:
        main_run_id: The other run's id.
        settings: Settings of the new run.
        **arguments: Arguments of `wandb.init`.
    """
    key = os.getpid(), main_run_id
    with _lock:
        if key not in _own:
            run = wandb.init(reinit="create_new", settings=wandb.Settings(**settings), **arguments)
            # Processes of `multiprocessing` end without the hooks of `atexit`.
            multiprocessing.util.Finalize(None, run.finish, exitpriority=100)
            if threading.current_thread() is threading.main_thread():
                # Whatever was there, a forked worker has it from its parent.
                signal.signal(signal.SIGTERM, _exit)
            _own[key] = run
        return _own[key]


def outlast_workers() -> None:
    """Makes this process wait for its workers before wandb's service, which they log through, ends.

    At exit both are done by hooks of `atexit`, the last one first. `multiprocessing` is imported
    before a run begins, as a rule, and would come too late.
    """
    wait_for_workers = multiprocessing.util._exit_function  # type: ignore[attr-defined]  # private
    atexit.unregister(wait_for_workers)
    atexit.register(wait_for_workers)


def _exit(signal_number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    if not multiprocessing.util.is_exiting():  # else the run is finishing already
        raise SystemExit(128 + signal_number)


def _leave_open(exit_code: int | None = None) -> None:
    pass
