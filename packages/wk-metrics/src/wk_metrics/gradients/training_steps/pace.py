"""How often the gradients of a training's steps are looked at, so that it costs next to nothing."""

from typing import Final

SHARE: Final = 0.02
"""The share of a step's time that its norms may cost: with full looks, it is below 0.03."""

LEAST: Final = 0.0005
"""The seconds a step that it may cost in any case."""

_TIMED: Final = 6


class Pace:
    """Chooses the executions that are looked at, one in `every`.

    Unless a number is given, the first executions are timed, in turns with and without looking. The
    least of the times count: whatever else runs on a machine only makes them longer.

    Args:
        every: The number of executions from one that is looked at to the next; None to find out.

    Attributes:
        every: The number; None until it is known.
        share: The share of a step's time that looking at it costs; None if it was not timed.
    """

    def __init__(self, every: int | None) -> None:
        self.every = every
        self.share: float | None = None
        self._count = 0
        self._watched: list[float] = []
        self._plain: list[float] = []

    @property
    def is_timing(self) -> bool:
        """Whether executions are timed."""
        return self.every is None

    def is_due(self) -> bool:
        """Returns whether the next execution is looked at; to be called once for each."""
        count, self._count = self._count, self._count + 1
        return count % (2 if self.every is None else self.every) == 0

    def add(self, seconds: float, *, watched: bool) -> None:
        """Adds the time of an execution, from its start until the device has finished it."""
        times = self._watched if watched else self._plain
        times.append(seconds)
        if min(len(self._watched), len(self._plain)) <= _TIMED:
            return
        # The first of either was compiled.
        plain, watched_time = min(self._plain[1:]), min(self._watched[1:])
        cost = watched_time - plain
        self.share = cost / plain
        self.every = max(1, -int(-cost // max(SHARE * plain, LEAST)))
