"""The example of `WandbCallback` trains for real, and its run holds what it promises."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from wk_testing.tables import logged_tables
from wk_testing.wandb_file import read_run

EXAMPLE = Path(__file__).parents[2] / "examples" / "legacy.py"


def test_example(tmp_path):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("WANDB_")}
    process = subprocess.run(
        [sys.executable, EXAMPLE, "--epochs", "3"],
        cwd=tmp_path,
        env={**environment, "WANDB_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr

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
