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

    def add(self, path: str, score: float | None) -> None:
        """Takes note of a checkpoint, and removes those that are given up for it."""
        order = 1 + max((one.order for one in self._saved.values()), default=-1)
        self._saved[path] = Saved(path, order, score)
        for given_up in expired(list(self._saved.values()), self._rule):
            place_of(given_up.key).remove()
            del self._saved[given_up.key]

    def state(self) -> list[dict[str, Any]]:
        """Returns what it was told of, for `restore`."""
        return [
            {"path": one.key, "order": one.order, "score": one.score}
            for one in self._saved.values()
        ]

    def restore(self, state: list[dict[str, Any]]) -> None:
        """Takes note of what an earlier process saved."""
        for one in state:
            self._saved[one["path"]] = Saved(one["path"], one["order"], one["score"])
