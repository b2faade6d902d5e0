"""Key prefixes and their x axes in the charts of a run."""

from typing import Any

import wandb

__all__ = ["define_axis", "last_logged"]


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
