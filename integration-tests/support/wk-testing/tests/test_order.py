"""Each worker starts with slow tests."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from wk_testing.plugin import slow_first

pytestmark = pytest.mark.backend_free


@dataclass(frozen=True)
class Item:
    """A test, as far as its order asks for it."""

    path: Path
    number: int
    slow: bool

    def get_closest_marker(self, name):
        return self.slow and name == "slow"


def items(*slow):
    """Returns twelve tests of three directories."""
    return [
        Item(Path(f"{'abc'[number // 4]}/test_it.py"), number, number in slow)
        for number in range(12)
    ]


@pytest.mark.parametrize(
    ("slow", "workers", "expected"),
    [
        ((), 3, [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]),
        ((3, 9, 11), 1, [[3, 9, 11, 0, 1, 2, 4, 5, 6, 7, 8, 10]]),
        ((3, 9, 11), 2, [[3, 0, 1, 2, 4, 5], [9, 11, 6, 7, 8, 10]]),
        ((3, 6, 9, 11), 3, [[3, 0, 1, 2], [6, 4, 5, 7], [9, 11, 8, 10]]),
        (range(12), 2, [[0, 1, 2, 3, 8, 9], [10, 11, 4, 5, 6, 7]]),
    ],
)
def test_each_worker_begins_with_slow_ones(slow, workers, expected):
    ordered = [item.number for item in slow_first(items(*slow), workers)]
    size = 12 // workers
    assert [ordered[start : start + size] for start in range(0, 12, size)] == expected
