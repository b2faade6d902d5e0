"""Key prefixes and their x axes in the charts of a run."""

import wandb

__all__ = ["define_axis"]


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
