"""What the wk packages share, and what a callback of your own needs to report to a W&B run.

Nothing is imported before it is used: a worker process reads `WorkerRun.config` without wandb.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wk_core.artifacts import log_artifact
    from wk_core.async_logger import AsyncLogger
    from wk_core.axes import define_axis
    from wk_core.callback import CopyError, RunCallback
    from wk_core.process import Process, set_process, shared_settings, this_process
    from wk_core.run import resolve_run
    from wk_core.state.callback_state import KeepsState
    from wk_core.task_queue import TaskQueue
    from wk_core.worker.config import WorkerConfig
    from wk_core.worker.worker_run import WorkerRun

__all__ = [
    "AsyncLogger",
    "CopyError",
    "KeepsState",
    "Process",
    "RunCallback",
    "TaskQueue",
    "WorkerConfig",
    "WorkerRun",
    "define_axis",
    "log_artifact",
    "resolve_run",
    "set_process",
    "shared_settings",
    "this_process",
]

_MODULES = {
    "AsyncLogger": "async_logger",
    "CopyError": "callback",
    "KeepsState": "state.callback_state",
    "Process": "process",
    "RunCallback": "callback",
    "TaskQueue": "task_queue",
    "WorkerConfig": "worker.config",
    "WorkerRun": "worker.worker_run",
    "define_axis": "axes",
    "log_artifact": "artifacts",
    "resolve_run": "run",
    "set_process": "process",
    "shared_settings": "process",
    "this_process": "process",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
