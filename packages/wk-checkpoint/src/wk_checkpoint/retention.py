"""Which checkpoints are kept."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Retention", "Saved", "expired"]


@dataclass(frozen=True)
class Retention:
    """Which checkpoints are kept; the others are deleted, on the disk and on the server.

    What the next one replaces at the same path is no matter of retention: it is gone. Only what
    this callback saved in this run is ever deleted, and no version on the server that has an
    alias which wk did not give it.

    Args:
        best: How many of the best are kept, by the monitored metric. Defaults to 1.
        last: How many of the last are kept. Defaults to 1.
        ttl: How long W&B shall still keep a version that this rule gives up. Defaults to None: it
            is deleted at once.

    Raises:
        ValueError: If `best` or `last` is no whole number or negative, if `last` is 0, or if `ttl`
            is not positive.
    """

    best: int = 1
    last: int = 1
    ttl: datetime.timedelta | None = None

    def __post_init__(self) -> None:
        """Checks the numbers."""
        for name, least in (("best", 0), ("last", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(
                    f"Retention: `{name}` must be a whole number, {least} or more. "
                    f"Received: {name}={value!r}"
                )
        if self.ttl is not None and self.ttl <= datetime.timedelta():
            raise ValueError(f"Retention: `ttl` must be positive. Received: ttl={self.ttl!r}")


@dataclass(frozen=True)
class Saved:
    """A checkpoint that exists, for the rule to decide upon.

    Attributes:
        key: What it is known by: a path or a version.
        order: A number that is larger for a later one.
        score: Larger is better; None where the monitored metric was missing.
        protected: Whether it is kept in any case.
    """

    key: str
    order: int
    score: float | None
    protected: bool = False


def expired(saved: Sequence[Saved], rule: Retention) -> list[Saved]:
    """Returns those that a rule does not keep, oldest first."""
    by_age = sorted(saved, key=lambda one: one.order)
    # Of equally good ones the earlier is the better one, as for the alias `best`.
    by_score = sorted(
        (one for one in by_age if one.score is not None),
        key=lambda one: one.score or 0.0,
        reverse=True,
    )
    kept = {one.key for one in [*by_age[-rule.last :], *by_score[: rule.best]]}
    return [one for one in by_age if one.key not in kept and not one.protected]
