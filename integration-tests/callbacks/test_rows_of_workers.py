"""Rows of callbacks and of worker processes that log to the same run."""

from pathlib import Path

import pytest

from wk_testing.scripts import run_script
from wk_testing.wandb_file import read_run

pytestmark = pytest.mark.backend_free

SCRIPT = """
import multiprocessing, sys
import keras, numpy as np, wandb
from wk_core import WorkerRun
from wk_metrics import WandbMetricsLogger

class Loads(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        for item in range(3):
            pool.apply(worker_run.log, ({"item": 3 * epoch + item - 6},))

if __name__ == "__main__":
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    with wandb.init(project="test", mode="offline", dir=sys.argv[1]) as run:
        worker_run = WorkerRun()
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            callbacks = [Loads(), WandbMetricsLogger()]
            x = y = np.ones((4, 1))
            model.fit(x, y, epochs=6, initial_epoch=2, verbose=0, callbacks=callbacks)
"""


def test_rows_of_epochs_arrive_beside_those_of_workers(tmp_path: Path):
    process = run_script(SCRIPT, str(tmp_path), KERAS_BACKEND="jax")
    assert process.returncode == 0, process.stderr
    written = read_run(tmp_path)
    assert written.column("item") == list(range(12))
    assert written.column("epoch/epoch") == [2, 3, 4, 5]
    assert len(written.column("epoch/loss")) == 4
