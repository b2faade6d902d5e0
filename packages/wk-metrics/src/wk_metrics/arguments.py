"""What the callback accepts, checked before anything is logged."""

from typing import Any


def checked_report_from(report_from: Any) -> Any:
    """Returns which processes report; raises ValueError if it does not say."""
    if report_from not in ("one", "all"):
        raise ValueError(
            f"`report_from` must be 'one' or 'all'. Received: report_from={report_from!r}"
        )
    return report_from


def checked_start(initial_global_step: Any) -> int | None:
    """Returns a number of batches, or None; raises ValueError if it is neither."""
    if initial_global_step is None:
        return None
    if (
        isinstance(initial_global_step, bool)
        or not isinstance(initial_global_step, int)
        or initial_global_step < 0
    ):
        raise ValueError(
            "`initial_global_step` must be a whole number of batches, 0 or more, or None. "
            f"Received: initial_global_step={initial_global_step!r}"
        )
    return initial_global_step
