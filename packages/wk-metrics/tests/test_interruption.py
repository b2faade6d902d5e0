"""Nothing that was logged is lost when a training does not come to its end."""

import threading
import time

import keras
import pytest
import wandb

from wk_metrics import WandbMetricsLogger
from wk_testing.endings import interruptions
from wk_testing.scripts import run_script
from wk_testing.training import counting_model, fit
from wk_testing.wandb_file import read_run

BODY = """
import wandb
from wk_testing.training import counting_model, fit
from wk_core.compat.keras.flavour import keras
from wk_metrics import WandbMetricsLogger

class Interrupt(keras.callbacks.Callback):
    async_safe = True

    def on_train_batch_begin(self, batch, logs=None):
        if batch == 7:
            raise {error}("interrupted")

run = wandb.init(project="test", dir={directory!r})
callbacks = [WandbMetricsLogger("batch"), Interrupt()]
"""

ENDINGS = {
    "with": "with run:\n    fit(counting_model(), callbacks=callbacks)",
    "finish": (
        "try:\n    fit(counting_model(), callbacks=callbacks)\nfinally:\n    wandb.finish(1)"
    ),
    "process": "fit(counting_model(), callbacks=callbacks)",
}


@pytest.mark.parametrize(("ending", "error", "its_backend"), interruptions(ENDINGS))
def test_interrupted_process(tmp_path, ending, error, its_backend):
    script = BODY.format(error=error, directory=str(tmp_path)) + ENDINGS[ending]
    process = run_script(script, KERAS_BACKEND=its_backend)

    assert f"{error}: interrupted" in process.stderr
    written = read_run(tmp_path)
    assert written.column("batch/batch_step") == list(range(7))
    assert written.column("batch/seen") == list(range(7))
    assert written.exit_code not in (0, None)


def test_rows_are_written_when_fit_returns(offline_run, read_back, monkeypatch):
    run = offline_run()
    log, rows = run.log, []

    def slow(row, **arguments):
        time.sleep(0.02)
        rows.append(row)
        log(row, **arguments)

    monkeypatch.setattr(run, "log", slow)
    fit(counting_model(), callbacks=[WandbMetricsLogger("batch", run=run)])

    assert sum("batch/batch_step" in row for row in rows) == 20
    assert len(read_back(run).rows("batch/batch_step")) == 20


def test_training_waits_where_logging_cannot_keep_up(offline_run, read_back, monkeypatch):
    monkeypatch.setattr("wk_metrics.batch_logger._CAPACITY", 3)
    run = offline_run()
    log = run.log
    trained, backlogs = [], []

    class Count(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):  # noqa: ARG002
            trained.append(batch)

    def slow(row, **arguments):
        time.sleep(0.01)
        if "batch/batch_step" in row:
            backlogs.append(len(trained) - row["batch/batch_step"])
        log(row, **arguments)

    monkeypatch.setattr(run, "log", slow)
    fit(counting_model(), callbacks=[Count(), WandbMetricsLogger("batch", run=run)], epochs=4)

    assert max(backlogs) <= 3 + 3  # those that wait, and the ones at work on both sides
    assert read_back(run).column("batch/batch_step") == list(range(40))


def test_error_of_the_background_comes_back(offline_run, monkeypatch):
    run = offline_run()
    log = run.log

    def failing(row, **arguments):
        if row.get("batch/batch_step") == 3:
            raise OSError("no space left on device")
        log(row, **arguments)

    monkeypatch.setattr(run, "log", failing)
    with pytest.raises(OSError, match="no space left"):
        fit(counting_model(), callbacks=[WandbMetricsLogger("batch", run=run)], epochs=20)


@pytest.mark.backend_free
def test_error_after_fit_has_raised_is_said(offline_run, monkeypatch):
    run = offline_run()
    log, said = run.log, []
    monkeypatch.setattr(wandb, "termerror", said.append)
    is_interrupted = threading.Event()

    def failing(row, **arguments):
        if row.get("batch/batch_step") == 3:
            is_interrupted.wait()
            raise OSError("no space left on device")
        log(row, **arguments)

    class Raise(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):  # noqa: ARG002
            if batch == 4:
                raise RuntimeError("interrupted")

    monkeypatch.setattr(run, "log", failing)
    with pytest.raises(RuntimeError, match="interrupted"):
        fit(counting_model(), callbacks=[Raise(), WandbMetricsLogger("batch", run=run)])
    is_interrupted.set()
    run.finish()
    assert said == [
        "WandbMetricsLogger could not finish its work: OSError: no space left on device."
    ]


@pytest.mark.backend_free
def test_no_thread_is_left_behind(offline_run):
    run = offline_run()
    before = set(threading.enumerate())
    fit(counting_model(), callbacks=[WandbMetricsLogger("batch", run=run)])

    left = set(threading.enumerate()) - before
    assert not [thread for thread in left if thread.name.startswith("wk_")]


def test_out_of_order_hooks_are_put_in_order(offline_run, read_back):
    run = offline_run()
    logger = WandbMetricsLogger("batch", run=run)
    logger.set_model(counting_model())
    logger.on_train_begin()
    logger.on_epoch_begin(0)
    for batch in range(6):
        logger.on_train_batch_begin(batch)
    for batch in (1, 0, 4, 5, 2, 3):
        logger.on_train_batch_end(batch, {"loss": float(batch)})
    logger.on_epoch_end(0, {})
    logger.on_train_end()

    written = read_back(run)
    assert written.column("batch/batch_step") == list(range(6))
    assert written.column("batch/loss") == list(range(6))
