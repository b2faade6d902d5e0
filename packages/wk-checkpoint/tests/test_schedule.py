"""When a checkpoint is due by batches."""

import pytest

from wk_checkpoint.schedule import BatchInterval


@pytest.mark.parametrize(
    ("every", "batches", "due"),
    [
        (3, [[0, 1, 2, 3], [0, 1, 2, 3]], [2, 5]),
        (1, [[0, 1], [0]], [0, 1, 2]),
        (4, [[2, 5, 7], [2, 5, 7]], [5, 10, 15]),  # three batches an execution, the last one short
        (100, [[0, 1]], []),
    ],
)
def test_interval(every, batches, due):
    interval, seen, before = BatchInterval(every), [], 0
    for epoch in batches:
        interval.start_epoch()
        seen += [before + batch for batch in epoch if interval.is_due_after(batch)]
        before += epoch[-1] + 1
    assert seen == due
