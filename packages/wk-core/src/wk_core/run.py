"""The W&B run that a callback reports to: given, active, or a clear error."""

from collections.abc import Callable
from typing import Any

import wandb

from wk_core.compat.wandb.run_hooks import before_finish, has_finished
from wk_core.description import in_a_line
from wk_core.process import this_process

__all__ = ["api_for_run", "check_open", "close_before_finish", "is_silent", "resolve_run"]


def resolve_run(
    callback_name: str, run: wandb.Run | None = None, *, in_every_process: bool = False
) -> wandb.Run:
    """Returns the run that a callback reports to.

    Where a training has several processes, one of them writes (`wk_core.Process`). The others get
    a silent run, whatever run they were given: it is disabled, and logs nothing.

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
        from wk_core import resolve_run

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
        return _SilentRun()
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


def close_before_finish(
    run: wandb.Run, close: Callable[[], BaseException | None], name: str
) -> Callable[[], None]:
    """Closes what a callback has open just before its run finishes, while it can still log.

    That matters where a `fit` never comes to its end.

    Args:
        run: The run.
        close: Closes it. What it raises or returns as an error is said.
        name: The callback's class, for what is said.

    Returns:
        A function that takes the request back.
    """

    def close_and_say() -> None:
        error: BaseException | None
        try:
            error = close()
        except Exception as raised:  # what it raises would keep the run from finishing
            error = raised
        if error is not None:
            wandb.termerror(f"{name} could not finish its work: {in_a_line(error)}")

    return before_finish(run, close_and_say)


def is_silent(run: wandb.Run) -> bool:
    """Returns whether a run is the silent one of a process that does not write."""
    return isinstance(run, _SilentRun)


def api_for_run(run: wandb.Run) -> wandb.Api:
    """Returns what reads from the server of a run; names without a place are of its project.

    Where the process is silent, its run has no server: the one that the settings name is read.
    """
    if is_silent(run):
        return wandb.Api()
    place = {"entity": run.entity, "project": run.project}
    return wandb.Api(overrides={"base_url": run.settings.base_url, **place})


class _SilentRun(wandb.Run):
    """A run that does nothing: every method of a run returns None."""

    def __init__(self) -> None:
        # Not wandb's own constructor, which would connect the run to its service.
        settings = wandb.Settings(mode="disabled", run_id="silent")
        vars(self).update(
            settings=settings,
            config={},
            summary={},
            id="silent",
            name="silent",
            entity="",
            project="",
            group="",
            path="",
            url=None,
            dir=str(settings.files_dir),
            step=0,
            starting_step=0,
            disabled=True,
            offline=False,
            resumed=False,
            _is_finished=False,
        )

    def __getattribute__(self, name: str) -> Any:
        own = object.__getattribute__(self, "__dict__")
        if name in own:
            return own[name]
        if name.startswith("__"):
            return object.__getattribute__(self, name)
        return _do_nothing

    def __enter__(self) -> "_SilentRun":
        return self

    def __exit__(self, *error: object) -> None:
        pass


def _do_nothing(*arguments: object, **named: object) -> None:
    pass
