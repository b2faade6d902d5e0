"""Key prefixes and their x axes in the charts of a run."""

from typing import Any, Final

import wandb

from wk_core.run import api_of

__all__ = ["define_axis", "last_logged", "last_row"]

_FIRST_LOOK: Final = 1_000  # how many steps of a history are read at first


def define_axis(run: wandb.Run, prefix: str, axis: str) -> None:
    """Makes `<prefix>/<axis>` the x axis of every key below `<prefix>/`.

    Args:
        run: The run.
        prefix: The keys' first part, as `"epoch"`.
        axis: The rest of the axis' key, as `"epoch"` for `epoch/epoch`.
    """
    step_metric = f"{prefix}/{axis}"
    run.define_metric(step_metric)
    run.define_metric(f"{prefix}/*", step_metric=step_metric)


def last_logged(run: wandb.Run, key: str) -> int | None:
    """Returns the last number that a resumed run has logged for a key; None if it has none.

    Args:
        run: The run.
        key: The key of an axis, as `"epoch/epoch"`.
    """
    summary: Any = run.summary  # wandb leaves its methods untyped
    last = summary.get(key) if run.resumed else None
    return None if last is None else int(last)


def last_row(run: wandb.Run, key: str) -> int | None:
    """Returns the number in the last row of a resumed run that has a key; None if none has.

    It is not always the one that was last logged. wandb sends the rows and the summary, which knows
    that number, apart and in parts: of a process that was killed meanwhile, the summary may have
    arrived without the row, in some of its keys only. So the server is asked for its rows.

    Args:
        run: The run.
        key: The key of an axis, as `"epoch/epoch"`.
    """
    last = last_logged(run, key)
    if not run.resumed or run.step > 0:  # What this process has logged itself, it knows.
        return last
    summary: Any = run.summary
    unknown = summary.get("_step", 0)  # A key that no summary has can be in rows from here on only.
    return _last_in(api_of(run).run(run.path), key, first_step=unknown if last is None else 0)


def _last_in(history: Any, key: str, first_step: int) -> int | None:
    """Reads the rows from `first_step` on, the last ones first, until one has the key."""
    end, size = history.lastHistoryStep + 1, _FIRST_LOOK
    while end > first_step:
        start = max(end - size, first_step)
        found = list(history.scan_history(keys=[key], min_step=start, max_step=end))
        if found:
            return int(found[-1][key])
        end, size = start, 2 * size
    return None
