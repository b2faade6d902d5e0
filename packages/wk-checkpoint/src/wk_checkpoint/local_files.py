"""The checkpoints on the disk that retention is about."""

from typing import Any

from wk_checkpoint.places import place_of
from wk_checkpoint.retention import Retention, Saved, expired

__all__ = ["LocalFiles"]


class LocalFiles:
    """Removes checkpoints that a rule does not keep; only such as it was told of.

    Args:
        rule: The rule.
    """

    def __init__(self, rule: Retention) -> None:
        self._rule = rule
        self._saved: dict[str, Saved] = {}
        self._expected: Saved | None = None

    def expect(self, path: str, score: float | None) -> None:
        """Takes note of a checkpoint that is about to be written: its own state knows of it."""
        self._expected = self._next(path, score)

    def add(self, path: str, score: float | None) -> None:
        """Takes note of a checkpoint, and removes those that are given up for it."""
        self._expected = None
        self._saved[path] = self._next(path, score)
        for given_up in expired(list(self._saved.values()), self._rule):
            place_of(given_up.key).remove()
            del self._saved[given_up.key]

    def state(self) -> list[dict[str, Any]]:
        """Returns what it was told of, for `restore`."""
        expected = {} if self._expected is None else {self._expected.key: self._expected}
        return [
            {"path": one.key, "order": one.order, "score": one.score}
            for one in {**self._saved, **expected}.values()
        ]

    def restore(self, state: list[dict[str, Any]]) -> None:
        """Takes note of what an earlier process saved."""
        for one in state:
            self._saved[one["path"]] = Saved(one["path"], one["order"], one["score"])

    def _next(self, path: str, score: float | None) -> Saved:
        order = 1 + max((one.order for one in self._saved.values()), default=-1)
        return Saved(path, order, score)
