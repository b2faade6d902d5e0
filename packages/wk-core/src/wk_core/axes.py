"""Key prefixes and their x axes in the charts of a run, and the last numbers on an axis."""

from typing import Any, Final

import wandb

from wk_core.run import api_for_run

__all__ = ["define_axis", "last_logged", "last_row"]

_FIRST_LOOK: Final = 1_000  # how many steps of a history are read at first


def define_axis(run: wandb.Run, prefix: str, axis: str) -> None:
    """Makes `<prefix>/<axis>` the x axis of every key below `<prefix>/`.

    Args:
        run: The run.
        prefix: The keys' first part, as `"epoch"`.
        axis: The rest of the axis' key, as `"epoch"` for `epoch/epoch`.

    Example:
        ```python
        import wandb
        from wk_core import define_axis

        with wandb.init(mode="offline") as run:
            define_axis(run, "weights", "epoch")
            run.log({"weights/epoch": 0, "weights/norm": 1.5})
        ```
    """
    step_metric = f"{prefix}/{axis}"
    run.define_metric(step_metric)
    run.define_metric(f"{prefix}/*", step_metric=step_metric)


def last_logged(run: wandb.Run, key: str) -> int | None:
    """Returns the last number that a resumed run has logged for a key; None if it has none.

    The run's summary has it, unless the user keeps something else of the key there, with
    `define_metric(..., summary=...)`: then the server is asked for its rows.

    Args:
        run: The run.
        key: The key of an axis, as `"epoch/epoch"`, whose numbers only go up.
    """
    if not run.resumed:
        return None
    last = _in_summary(run, key)
    if last is not None:
        return last
    try:
        history = api_for_run(run).run(run.path)
        return _last_in(history, key, first_step=0) if _has(history, key) else None
    except (wandb.errors.CommError, ValueError) as error:
        wandb.termwarn(
            f"What run {run.id!r} has of {key!r} is not known, so it counts anew: {error}"
        )
        return None


def last_row(run: wandb.Run, key: str) -> int | None:
    """Returns the number in the last row of a resumed run that has a key; None if none has.

    It is not always the number that was last logged. wandb sends the rows and the summary, which
    has that number, apart and in parts: when a process is killed meanwhile, the summary may have
    arrived without the row, in some of its keys only. So the server is asked for its rows.

    Args:
        run: The run.
        key: The key of an axis, as `"epoch/epoch"`.
    """
    if not run.resumed:
        return None
    last = _in_summary(run, key)
    if last is not None and run.step > run.starting_step:  # what this process has logged itself
        return last
    history = api_for_run(run).run(run.path)
    # A key that neither summary nor server knows can be in rows from here on only.
    first_step = 0 if last is not None or _has(history, key) else _in_summary(run, "_step") or 0
    return _last_in(history, key, first_step)


def _in_summary(run: wandb.Run, key: str) -> int | None:
    """Returns the last number of an axis, where the summary has kept just that.

    What the user wants to see of the key instead, as its `max`, is a dictionary there, and may be
    behind the rows (wandb 0.31).
    """
    summary: Any = run.summary  # wandb leaves its methods untyped
    value = summary.get(key)
    return int(value) if isinstance(value, (int, float)) else None


def _has(history: Any, key: str) -> bool:
    """Returns whether a run has rows with a key, as far as the server says."""
    keys = (getattr(history, "history_keys", None) or {}).get("keys")
    return keys is None or key in keys


def _last_in(history: Any, key: str, first_step: int) -> int | None:
    """Reads the rows from `first_step` on, the last rows first, until one has the key."""
    end, size = history.lastHistoryStep + 1, _FIRST_LOOK
    while end > first_step:
        start = max(end - size, first_step)
        found = list(history.scan_history(keys=[key], min_step=start, max_step=end))
        if found:
            return int(found[-1][key])
        end, size = start, 2 * size
    return None
