"""Rows that the user logs beside the logger, under W&B's step, are kept or complained about."""

import keras
import pytest

from wk_metrics import WandbMetricsLogger
from wk_testing.scripts import run_script
from wk_testing.training import counting_model, fit
from wk_testing.wandb_file import read_run


class LogByEpoch(keras.callbacks.Callback):
    """Logs as many scripts do."""

    def __init__(self, run):
        super().__init__()
        self.run = run

    def on_epoch_end(self, epoch, logs=None):  # noqa: ARG002
        self.run.log({"mine": epoch}, step=epoch)


@pytest.mark.backend_free
@pytest.mark.parametrize("logger_comes", ["first", "last"])
def test_rows_with_the_epoch_as_step_are_kept(offline_run, read_back, logger_comes):
    run = offline_run()
    callbacks = [WandbMetricsLogger(run=run), LogByEpoch(run)]
    order = callbacks if logger_comes == "first" else callbacks[::-1]
    fit(counting_model(), callbacks=order, epochs=3)

    rows = read_back(run).rows("mine")
    assert [(row["mine"], row["epoch/epoch"], row["_step"]) for row in rows] == [
        (0, 0, 0),
        (1, 1, 1),
        (2, 2, 2),
    ]


def test_rows_without_step_are_kept(offline_run, read_back):
    run = offline_run()
    run.log({"before": 1})

    class Log(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):  # noqa: ARG002
            run.log({"mine": batch})

    fit(counting_model(), callbacks=[Log(), WandbMetricsLogger(run=run)])
    run.log({"after": 1})

    written = read_back(run)
    assert written.column("mine") == [*range(10), *range(10)]
    assert written.column("epoch/epoch") == [0, 1]
    assert [set(row) - {"_step"} for row in written.rows("after")] == [{"after"}]


def test_an_epochs_row_is_not_held_back_until_the_next(offline_run):
    run = offline_run()
    steps = []

    class Step(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):  # noqa: ARG002
            steps.append(run.step)

    fit(counting_model(), callbacks=[WandbMetricsLogger(run=run), Step()], epochs=3)

    assert steps == [0, 1, 2]
    assert run.step == 3


WITH_BATCH_ROWS = """
import time
import wandb
from wk_core.keras import keras
from wk_metrics import WandbMetricsLogger
from wk_testing.training import counting_model, fit

run = wandb.init(project="test", dir={directory!r})

class LogByEpoch(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        time.sleep(1)  # until the batch rows are written
        run.log({{"mine": epoch}}, step=epoch)

fit(counting_model(), callbacks=[WandbMetricsLogger("batch"), LogByEpoch()])
time.sleep(3)  # wandb prints its warnings when they come, but not after the run
run.finish()
"""


@pytest.mark.backend_free
def test_with_batch_rows_wandb_says_that_it_drops_them(tmp_path):
    script = WITH_BATCH_ROWS.format(directory=str(tmp_path))
    process = run_script(script, WANDB_SILENT="false", KERAS_BACKEND="jax")

    assert process.returncode == 0, process.stderr
    assert read_run(tmp_path).column("epoch/epoch") == [0, 1]
    assert "Tried to log to step 1 that is less than the current step" in process.stderr
