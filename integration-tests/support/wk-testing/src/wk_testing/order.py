"""The order of the tests: what takes long is begun early."""

from collections import defaultdict

import pytest

__all__ = ["slow_ones_first"]


def slow_ones_first(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """Returns tests in an order in which each worker begins with its share of the slow ones.

    Else the last one at work may be a test of a minute. pytest-xdist gives each worker as many
    tests, one after the other, and whoever is done takes of the last ones of another. The slow
    tests of a directory stay in one worker: those that mainly wait leave the cores to the others.

    Args:
        items: The tests; the slow ones are marked.
        workers: How many processes run them.
    """
    directories = defaultdict(list)
    others = []
    for item in items:
        if item.get_closest_marker("slow"):
            directories[item.path.parent].append(item)
        else:
            others.append(item)
    shares: list[list[pytest.Item]] = [[] for _ in range(workers)]
    for slow in directories.values():
        min(shares, key=len).extend(slow)

    ordered: list[pytest.Item] = []
    for number, share in enumerate(shares):
        end = len(items) * (number + 1) // workers
        count = max(0, end - len(ordered) - len(share))
        ordered += [*share, *others[:count]]
        others = others[count:]
    return ordered + others
