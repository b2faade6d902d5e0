"""The examples of evaluations train for real, and their runs hold what they promise."""

import pytest

from examples.running import run_example
from wk_testing.tables import logged_tables
from wk_testing.wandb_file import read_run

# What each logs: how many examples, and a metric that training brings there.
EXPECTED = {
    "classification": (200, "val/accuracy", 0.7),
    "regression": (92, "val/r2", 0.2),
    "segmentation": (60, "val/pixel_accuracy", 0.9),
    "detection": (60, "val/recall", 0.2),
    "text": (200, "val/accuracy", 0.6),
}
# These are run on every backend; the other two ask no more of it.
ON_EVERY_BACKEND = {"classification", "detection", "text"}


@pytest.mark.parametrize(
    "task",
    [
        pytest.param(task, marks=[] if task in ON_EVERY_BACKEND else pytest.mark.backend_free)
        for task in EXPECTED
    ],
)
def test_example(task, tmp_path):
    count, metric, at_least = EXPECTED[task]
    run_example(f"eval_{task}.py", "--epochs", "5", directory=tmp_path)

    written = read_run(tmp_path)
    (data,) = logged_tables(written, "val")
    assert len(data.rows) == count
    (name,) = {each.name for each in written.artifacts if each.name.endswith("_pred")}
    predictions = logged_tables(written, name)
    assert len(predictions) == len(written.rows("val/epoch")) >= 1
    assert all(len(table.rows) == count for table in predictions)
    assert len(logged_tables(written, name.replace("_pred", "_moves"))) == 1
    assert written.column(metric)[-1] > at_least
    assert written.exit_code == 0
