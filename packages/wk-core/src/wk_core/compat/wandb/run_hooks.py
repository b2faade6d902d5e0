"""Moments of a run's life, and what it logs, for which wandb has no public hook."""

import atexit
import functools
from collections.abc import Callable, Mapping
from typing import Any

import wandb

from wk_core.compat.entries import find, say_missing, stands_on

__all__ = [
    "after_finish",
    "before_finish",
    "finish_timed_out",
    "finish_within",
    "has_finished",
    "knows_others_steps",
    "set_local_config",
    "watch_rows",
]

_HOOKS = (
    "wandb.sdk.wandb_run.TeardownHook",
    "wandb.sdk.wandb_run.TeardownStage",
    "run._teardown_hooks",
)


@stands_on(
    "run._is_finished",
    why="a run does not say publicly whether it is finished",
    versions="wandb 0.17 to 0.31",
    without="a finished run is noticed when it refuses a row",
    report="not reported: for wandb, a public `Run.is_finished`",
)
def has_finished(run: wandb.Run) -> bool:
    """Returns whether a run takes no more data."""
    # Asked for each batch: no more than a look-up.
    finished = getattr(run, "_is_finished", None)
    if finished is None and not run.disabled:  # a disabled run has no such attribute
        say_missing(has_finished)
    return bool(finished)


@stands_on(
    *_HOOKS,
    why="wandb has no public hook that runs before a run finishes",
    versions="wandb 0.17 to 0.31",
    without="what waits in the background is logged at `run.finish()` and at the end of the "
    "process, but not at the end of a `with wandb.init() as run:` block",
    report="not reported: for wandb, a public hook before a run finishes",
)
def before_finish(run: wandb.Run, task: Callable[[], None]) -> Callable[[], None]:
    """Runs `task` just before `run` finishes, while the run can still log.

    That is at `run.finish()`, at the end of `with wandb.init() as run:`, and at the end of the
    process, whichever comes first; also when an exception ends it.

    Args:
        run: The run.
        task: Called once, without arguments. It must not raise: the run could not finish.

    Returns:
        A function that takes the request back.
    """
    if run.disabled:
        return lambda: None
    pending = [task]

    def run_once() -> None:
        atexit.unregister(run_once)
        if pending:
            pending.pop()()

    remove_hook = _add_hook(run, run_once, "EARLY")
    if remove_hook is None:
        say_missing(before_finish)
        _wrap_finish(run, before=run_once)
    # wandb registered its own exit hook when the run started: this later one runs earlier.
    atexit.register(run_once)

    def withdraw() -> None:
        atexit.unregister(run_once)
        pending.clear()
        if remove_hook is not None:
            remove_hook()

    return withdraw


@stands_on(
    *_HOOKS,
    why="wandb has no public hook that runs after a run has finished",
    versions="wandb 0.17 to 0.31",
    without="what is kept of uploads is removed at `run.finish()` only",
    report="not reported: for wandb, a public hook after a run has finished",
)
def after_finish(run: wandb.Run, task: Callable[[], None]) -> None:
    """Runs `task` when `run` has finished, and everything of it was uploaded or timed out.

    Args:
        run: The run.
        task: Called once, without arguments. It must not raise: the run could not finish.
    """
    if not run.disabled and _add_hook(run, task, "LATE") is None:
        say_missing(after_finish)
        _wrap_finish(run, after=task)


@stands_on(
    "run.settings.finish_timeout",
    why="wandb has the setting since 0.27, and refuses one that it does not know",
    versions="wandb 0.27 to 0.31",
    without="a run in a worker process waits for its server without an end when it finishes",
    report="not needed: wandb 0.27 has it",
)
def finish_within(seconds: float) -> dict[str, Any]:
    """Returns the settings with which a run takes no longer than this to finish.

    What was not uploaded by then is kept in the run's directory.

    Args:
        seconds: The longest time.
    """
    if hasattr(wandb.Settings(), "finish_timeout"):
        return {"finish_timeout": seconds}
    say_missing(finish_within)
    return {}


@stands_on(
    "run._finish_timed_out",
    why="a run does not say publicly whether `finish_timeout` ended it",
    versions="wandb 0.27 to 0.31",
    without="uploads that timed out are waited for once more at the end of the process",
    report="not reported: for wandb, a public result of `Run.finish`",
)
def finish_timed_out(run: wandb.Run) -> bool:
    """Returns whether a run finished by its `finish_timeout`, with something not uploaded."""
    timed_out = getattr(run, "_finish_timed_out", None)
    if timed_out is None and hasattr(run.settings, "finish_timeout") and not run.disabled:
        say_missing(finish_timed_out)
    return bool(timed_out)


@stands_on(
    "run._partial_history_callback",
    why="wandb has no public word for the row of a run that is open, which all callers share",
    versions="wandb 0.17 to 0.31",
    without="values that you add to a row with `commit=False` by `wandb.log`, not `run.log`, may "
    "become part of a row of wk's",
    report="not reported: for wandb, a way to see the row that is open",
)
def watch_rows(
    run: wandb.Run,
    watch: Callable[[Callable[..., None], Mapping[str, Any], int | None, bool | None], None],
) -> None:
    """Calls `watch` with every row that this process logs to a run, from now on.

    Args:
        run: The run.
        watch: Takes what publishes a row, the row, its step and whether it is committed. It must
            call the first with the others.
    """
    if hasattr(run, "_partial_history_callback"):
        publish = run._partial_history_callback

        def watched(data: dict[str, Any], step: int | None = None, commit: Any = None) -> None:
            watch(publish, data, step, commit)

        run._partial_history_callback = watched  # type: ignore[method-assign]
        return
    say_missing(watch_rows)
    log = run.log

    @functools.wraps(log)
    def watched_log(data: dict[str, Any], step: int | None = None, commit: Any = None) -> None:
        watch(log, data, step, commit)

    run.log = watched_log  # type: ignore[method-assign]


@stands_on(
    "run._local_step",
    why="up to wandb 0.27.0, `run.step` counts the rows of this process alone, and nothing says so",
    versions="wandb 0.27.1 to 0.31",
    without="where worker processes log to a run, rows of wk have the next step, whichever it is, "
    "and not that of their epoch",
    report="not needed: wandb 0.27.1 counts the rows of all processes",
)
def knows_others_steps(run: wandb.Run) -> bool:
    """Returns whether `run.step` is past the rows that other processes have logged to a run."""
    return hasattr(run, "_local_step")


@stands_on(
    "run.config._update",
    why="the config of a run that another process began is empty, and its public `update` would "
    "send to the server what that process has sent already",
    versions="wandb 0.17 to 0.31",
    without="`wandb.config` is empty in worker processes; `WorkerRun.config` is not",
    report="not reported: for wandb, the config of an attached run",
)
def set_local_config(run: wandb.Run, values: dict[str, Any]) -> None:
    """Sets a run's config in this process alone."""
    config: Any = run.config
    if hasattr(config, "_update"):
        config._update(values, allow_val_change=True)
    else:
        say_missing(set_local_config)


def _add_hook(run: wandb.Run, task: Callable[[], None], stage: str) -> Callable[[], None] | None:
    """Adds a hook to a run's end; returns what removes it, or None where wandb has no hooks."""
    kind, stages = map(find, _HOOKS[:2])
    if kind is None or not hasattr(stages, stage) or not hasattr(run, "_teardown_hooks"):
        return None
    hook = kind(task, getattr(stages, stage))
    run._teardown_hooks.append(hook)

    def remove() -> None:
        # A new list: `finish` may be going through the old one, and would skip the next hook.
        run._teardown_hooks = [other for other in run._teardown_hooks if other is not hook]

    return remove


def _wrap_finish(
    run: wandb.Run,
    before: Callable[[], None] = lambda: None,
    after: Callable[[], None] = lambda: None,
) -> None:
    finish = run.finish

    @functools.wraps(finish)
    def wrapped(*arguments: Any, **named: Any) -> None:
        before()
        finish(*arguments, **named)
        after()

    run.finish = wrapped  # type: ignore[method-assign]
