"""Which checkpoints are kept, and the removal of the others from the disk."""

import datetime
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from wk_checkpoint.storage.storage import storage_at
from wk_core.arguments import check_whole_number

__all__ = ["LocalFiles", "Retention", "SavedCheckpoint", "select_expired"]


@dataclass(frozen=True)
class Retention:
    """Keeps the best and the last checkpoints; deletes the others from the disk and the server.

    Both numbers count checkpoints whose values are all finite; of the others the last one is kept
    beside them. A file that the next checkpoint replaces at the same path is gone in any case. The
    rule applies only to checkpoints that this callback saved in this run, and never to a version on
    the server that has an alias of your own.

    Args:
        best: The number of best checkpoints to keep, by the monitored metric. Defaults to 1.
        last: The number of last checkpoints to keep. Defaults to 1.
        ttl: The time for which W&B still keeps an expired version. Defaults to None: it is
            deleted at once.

    Raises:
        ValueError: If `best` is not a whole number of 0 or more, if `last` is not one of 1 or
            more, or if `ttl` is not positive.
    """

    best: int = 1
    last: int = 1
    ttl: datetime.timedelta | None = None

    def __post_init__(self) -> None:
        """Checks the numbers."""
        for name, least in (("best", 0), ("last", 1)):
            number = check_whole_number(getattr(self, name), name, of="checkpoints", least=least)
            object.__setattr__(self, name, number)  # an `int` for NumPy's numbers, too
        if self.ttl is not None and self.ttl <= datetime.timedelta():
            raise ValueError(f"`ttl` must be positive. Received: ttl={self.ttl!r}")


@dataclass(frozen=True)
class SavedCheckpoint:
    """A checkpoint that exists, as the rule sees it.

    Attributes:
        key: Its path or version.
        order: A number that is larger for a later checkpoint.
        score: A number that is larger for a better one; None if the monitored metric was missing.
        protected: Whether it is kept in any case.
        is_finite: Whether all its values are finite.
    """

    key: str
    order: int
    score: float | None
    protected: bool = False
    is_finite: bool = True


def select_expired(saved: Sequence[SavedCheckpoint], rule: Retention) -> list[SavedCheckpoint]:
    """Returns the checkpoints that a rule does not keep, oldest first."""
    by_age = sorted(saved, key=lambda each: each.order)
    finite = [each for each in by_age if each.is_finite]
    broken = [each for each in by_age if not each.is_finite]
    # Among equal scores the earlier checkpoint ranks first, as for the alias `best`.
    by_score = sorted(
        (each for each in finite if each.score is not None),
        key=lambda each: each.score or 0.0,
        reverse=True,
    )
    kept = {each.key for each in [*finite[-rule.last :], *by_score[: rule.best], *broken[-1:]]}
    return [each for each in by_age if each.key not in kept and not each.protected]


class LocalFiles:
    """The files and directories that one callback has saved, of which a rule keeps some.

    It removes only checkpoints that were added to it, and only if they are unchanged since then.

    Args:
        rule: The rule.

    Attributes:
        owner: An id of the callback that saves the files; `restore` restores it.
    """

    def __init__(self, rule: Retention) -> None:
        self._rule = rule
        self._saved: dict[str, SavedCheckpoint] = {}
        self._stamps: dict[str, Any] = {}
        self._expected: SavedCheckpoint | None = None
        self.owner = uuid.uuid4().hex[:8]

    def __getstate__(self) -> dict[str, Any]:
        # A copy belongs to another callback, which has saved nothing.
        return vars(LocalFiles(self._rule))

    def expect(self, path: str, score: float | None) -> None:
        """Announces a checkpoint that is about to be written, so that its own state lists it."""
        self._expected = self._next(path, score)

    def add(self, path: str, score: float | None, *, is_finite: bool = True) -> None:
        """Adds a checkpoint that was written, and removes the files that expire by it."""
        self._expected = None
        self._saved[path] = replace(self._next(path, score), is_finite=is_finite)
        self._stamps[path] = storage_at(path).stamp()
        for expired in select_expired(list(self._saved.values()), self._rule):
            storage = storage_at(expired.key)
            if storage.stamp() == self._stamps.pop(expired.key):
                storage.remove()
            del self._saved[expired.key]

    def state(self) -> dict[str, Any]:
        """Returns the state for `restore`."""
        expected = {} if self._expected is None else {self._expected.key: self._expected}
        saved = [
            {
                "path": each.key,
                "order": each.order,
                "score": each.score,
                "is_finite": each.is_finite,
                "stamp": None if each is self._expected else self._stamps[each.key],
            }
            for each in {**self._saved, **expected}.values()
        ]
        return {"owner": self.owner, "saved": saved}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restores the files that an earlier process saved."""
        self.owner = state["owner"]
        for each in state["saved"]:
            path, stamp = each["path"], each["stamp"]
            self._saved[path] = SavedCheckpoint(
                path, each["order"], each["score"], is_finite=each["is_finite"]
            )
            # The checkpoint that holds this state was not written yet, and had no stamp.
            self._stamps[path] = storage_at(path).stamp() if stamp is None else stamp

    def _next(self, path: str, score: float | None) -> SavedCheckpoint:
        order = 1 + max((each.order for each in self._saved.values()), default=-1)
        return SavedCheckpoint(path, order, score)
