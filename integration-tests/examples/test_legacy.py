"""The example of `WandbCallback` trains for real, and its run holds what it promises."""

import numpy as np

from examples.running import run_example
from wk_testing.tables import logged_tables
from wk_testing.wandb_file import read_run


def test_example(tmp_path):
    run_example("legacy.py", "--epochs", "3", directory=tmp_path)

    written = read_run(tmp_path)
    rows = written.rows("epoch")
    assert [row["epoch"] for row in rows] == [0, 1, 2]
    assert len(written.history) == 3 * 5 + 3 + 1  # batches 0, 10 … 40; epochs; the table at the end
    assert written.summary["best_val_accuracy"] == max(row["val_accuracy"] for row in rows) > 0.8
    for row in rows:
        assert row["examples/count"] == 36
        assert {"parameters/dense.weights/bins", "parameters/conv2d.bias/bins"} <= set(row)
        assert np.sum(row["gradients/dense/kernel.gradient/values"]) == 6 * 6 * 32 * 10
        assert row["gradients/global_norm"] > 0
    (data,) = logged_tables(written, "wb_validation_data")
    (name,) = {each.name for each in written.artifacts if "validation_predictions" in each.name}
    (predicted,) = logged_tables(written, name)
    assert len(data.rows) == len(predicted.rows) == 397
    assert all(0.1 <= sureness <= 1 for sureness in predicted.column("sureness"))
    assert {"graph", "GFLOPs"} <= set(written.summary)
    (model,) = {each.name for each in written.artifacts if each.type == "model"}
    assert model.startswith("model-")
    assert written.exit_code == 0
