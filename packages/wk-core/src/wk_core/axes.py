"""Key prefixes and their x axes in the charts of a run, and the numbers on the epochs' axis."""

import weakref
from typing import Any, Final

import wandb

from wk_core.run import api_for_run

__all__ = ["EpochCounter", "define_axis", "epoch_counter", "last_logged", "last_row"]

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


class EpochCounter:
    """Counts the epochs of the training that reports to a run, for all callbacks that do.

    Keras counts from zero in every `fit`. A chart wants the number across several calls of `fit`,
    several callbacks and several processes.

    Attributes:
        next: The number of the next epoch, as far as this process knows; None before the first
            epoch has ended.
    """

    def __init__(self) -> None:
        self.next: int | None = None
        self._axes: set[str] = set()

    def add_axis(self, key: str) -> None:
        """Adds a key under which a callback logs these numbers."""
        self._axes.add(key)

    def before(self, run: wandb.Run, initial_epoch: int, *, resumed_at: int | None = None) -> int:
        """Returns what to add to Keras' epoch numbers in a `fit` that starts at `initial_epoch`.

        A training that is resumed goes on with `resumed_at`, whatever Keras calls it. Else an
        `initial_epoch` other than 0 is the user's own word for where the training stands; a `fit`
        without it goes on where the last `fit` of this run, or of the run that it resumes, ended.

        Args:
            run: The run.
            initial_epoch: The first number in this `fit`, as Keras counts.
            resumed_at: The number of the next epoch, from a checkpoint.
        """
        if resumed_at is not None:
            return resumed_at - initial_epoch
        if initial_epoch > 0:
            return 0
        if self.next is not None:
            return self.next
        logged = (last_logged(run, key) for key in self._axes)
        return max((last + 1 for last in logged if last is not None), default=0)


def epoch_counter(run: wandb.Run) -> EpochCounter:
    """Returns the counter that all callbacks share which report to `run`."""
    return _counters.setdefault(run, EpochCounter())


_counters: "weakref.WeakKeyDictionary[wandb.Run, EpochCounter]" = weakref.WeakKeyDictionary()


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
    if last is not None and run.step > 0:  # this process knows what it has logged itself
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
