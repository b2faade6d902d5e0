"""The W&B run that a callback reports to: given, active, or a clear error."""

import atexit
from collections.abc import Callable

import wandb
from wandb.sdk.lib.noop_run import NoopRun
from wandb.sdk.wandb_run import TeardownHook, TeardownStage

from wk_core.process import this_process

__all__ = [
    "after_finish",
    "api_of",
    "before_finish",
    "check_open",
    "has_finished",
    "has_given_up",
    "is_silent",
    "resolve_run",
]


def resolve_run(
    callback_name: str, run: wandb.Run | None = None, *, in_every_process: bool = False
) -> wandb.Run:
    """Returns the run that a callback reports to.

    Where a training has several processes, one of them writes (`wk_core.process`). The others get
    a stand-in, whatever run they were given: it is disabled, and `is_silent` knows it.

    Args:
        callback_name: The callback's class name, for the error.
        run: The run that the user passed. Defaults to the active run, `wandb.run`.
        in_every_process: Whether the callback reports from every process. Defaults to False.

    Raises:
        wandb.Error: If no run was given and none is active, or if the run is finished.
        TypeError: If `run` is not a run.

    Example:
        ```python
        import wandb
        from wk_core.run import resolve_run

        with wandb.init(mode="offline") as run:
            assert resolve_run("MyCallback") is run
        ```
    """
    if run is not None and not isinstance(run, wandb.Run):
        raise TypeError(
            f"{callback_name}: `run` must be the run that `wandb.init()` returned. "
            f"Received: run={run!r}"
        )
    if not in_every_process and not this_process().writes:
        return _Silence()
    if run is None:
        run = wandb.run
        if run is None:
            raise wandb.Error(
                f"{callback_name} needs a W&B run to report to: call `wandb.init()` before "
                f"`{callback_name}(...)`, and before the `fit` of a copy of one, or pass one as "
                f"`{callback_name}(..., run=run)`."
            )
    check_open(callback_name, run)
    return run


def check_open(callback_name: str, run: wandb.Run) -> None:
    """Checks that a run still takes data.

    Raises:
        wandb.Error: If it is finished.
    """
    if has_finished(run):
        raise wandb.Error(
            f"{callback_name} needs a run that is still open, but run {run.id!r} is finished: "
            f"start a new one with `wandb.init()`, and make a new {callback_name} then, since it "
            "keeps to the run that was active, or passed as `run=`, when it was made."
        )


def has_finished(run: wandb.Run) -> bool:
    """Tells whether a run takes no more data; wandb has no public word for it."""
    return getattr(run, "_is_finished", False)  # a disabled one has no such attribute


def is_silent(run: wandb.Run) -> bool:
    """Tells whether `resolve_run` has returned a stand-in, in a process that does not write."""
    return isinstance(run, _Silence)


class _Silence(NoopRun):
    """A disabled run that is nobody's active run, as one of `wandb.init` would be."""

    def __init__(self) -> None:
        # wandb asserts that a run has all three.
        settings = wandb.Settings(
            mode="disabled", run_id="silent", project="silent", entity="silent"
        )
        super().__init__(settings, {})


def api_of(run: wandb.Run) -> wandb.Api:
    """Returns what reads from the server of a run; names without a place are of its project.

    Where the process is silent, its run has no server: the one that the settings name is read.
    """
    if is_silent(run):
        return wandb.Api()
    place = {"entity": run.entity, "project": run.project}
    return wandb.Api(overrides={"base_url": run.settings.base_url, **place})


def before_finish(run: wandb.Run, task: Callable[[], None]) -> Callable[[], None]:
    """Has `task` run before `run` finishes, while the run still takes data.

    That is at `run.finish()`, at the end of `with wandb.init() as run:`, and at the end of the
    process, whichever comes first; also when an exception ends it. wandb offers no public hook
    here, so this is the one place that uses its private one.

    Args:
        run: The run.
        task: Called once, without arguments. It must not raise: the run could not finish.

    Returns:
        A function that takes the request back.
    """
    if run.disabled:
        return lambda: None

    def withdraw() -> None:
        atexit.unregister(run_once)
        # A new list: `finish` may be going through the old one, and would leave out the next hook.
        run._teardown_hooks = [other for other in run._teardown_hooks if other is not hook]

    def run_once() -> None:
        atexit.unregister(run_once)
        task()

    hook = TeardownHook(run_once, TeardownStage.EARLY)
    run._teardown_hooks.append(hook)
    # wandb registered its own exit hook when the run started: this later one runs earlier.
    atexit.register(run_once)
    return withdraw


def after_finish(run: wandb.Run, task: Callable[[], None]) -> None:
    """Has `task` run when `run` has finished, and everything of it was uploaded or given up.

    Args:
        run: The run.
        task: Called once, without arguments. It must not raise: the run could not finish.
    """
    if not run.disabled:
        run._teardown_hooks.append(TeardownHook(task, TeardownStage.LATE))


def has_given_up(run: wandb.Run) -> bool:
    """Tells whether a run has finished because of `finish_timeout`, with something not uploaded."""
    return bool(run._finish_timed_out)
