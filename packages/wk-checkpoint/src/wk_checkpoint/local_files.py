"""The checkpoints on the disk that retention is about."""

import uuid
from collections.abc import Mapping
from typing import Any

from wk_checkpoint.retention import Retention, Saved, expired
from wk_checkpoint.storage.storage import place_of

__all__ = ["LocalFiles"]


class LocalFiles:
    """Removes checkpoints that a rule does not keep; only such as it was told of.

    What somebody else has put in the place of one meanwhile stays, too.

    Args:
        rule: The rule.

    Attributes:
        owner: What tells the callback whose checkpoints these are; the same after `restore`.
    """

    def __init__(self, rule: Retention) -> None:
        self._rule = rule
        self._saved: dict[str, Saved] = {}
        self._stamps: dict[str, Any] = {}
        self._expected: Saved | None = None
        self.owner = uuid.uuid4().hex[:8]

    def __getstate__(self) -> dict[str, Any]:
        # A copy belongs to another callback, which has saved nothing.
        return vars(LocalFiles(self._rule))

    def expect(self, path: str, score: float | None) -> None:
        """Takes note of a checkpoint that is about to be written: its own state knows of it."""
        self._expected = self._next(path, score)

    def add(self, path: str, score: float | None) -> None:
        """Takes note of a checkpoint, and removes those that are given up for it."""
        self._expected = None
        self._saved[path] = self._next(path, score)
        self._stamps[path] = place_of(path).stamp()
        for given_up in expired(list(self._saved.values()), self._rule):
            place = place_of(given_up.key)
            if place.stamp() == self._stamps.pop(given_up.key):
                place.remove()
            del self._saved[given_up.key]

    def state(self) -> dict[str, Any]:
        """Returns what it was told of, for `restore`."""
        expected = {} if self._expected is None else {self._expected.key: self._expected}
        saved = [
            {
                "path": one.key,
                "order": one.order,
                "score": one.score,
                "stamp": None if one is self._expected else self._stamps[one.key],
            }
            for one in {**self._saved, **expected}.values()
        ]
        return {"owner": self.owner, "saved": saved}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Takes note of what an earlier process saved."""
        self.owner = state["owner"]
        for one in state["saved"]:
            path, stamp = one["path"], one["stamp"]
            self._saved[path] = Saved(path, one["order"], one["score"])
            # Of the checkpoint itself that the state comes from, it has none.
            self._stamps[path] = place_of(path).stamp() if stamp is None else stamp

    def _next(self, path: str, score: float | None) -> Saved:
        order = 1 + max((one.order for one in self._saved.values()), default=-1)
        return Saved(path, order, score)
