"""Rows that the user logs beside the logger, under W&B's step, are kept or complained about."""

import threading
import time
from pathlib import Path

import keras
import pytest
import wandb

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
from wk_core.compat.keras.flavour import keras
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


class AddToRows(keras.callbacks.Callback):
    """Adds a value to the row that comes next, or is open, at one kind of hook."""

    def __init__(self, run, hook):
        super().__init__()
        self.run, self.logged = run, []
        setattr(self, hook, self.add)

    def add(self, *_, **__):
        self.logged.append(len(self.logged))
        self.run.log({"mine": self.logged[-1]}, commit=False)


@pytest.mark.backend_free
@pytest.mark.parametrize("logger_comes", ["first", "last"])
@pytest.mark.parametrize("log_freq", ["batch", 1, 5])
def test_values_added_at_each_batch_are_kept(offline_run, read_back, log_freq, logger_comes):
    run = offline_run()
    added = AddToRows(run, "on_train_batch_end")
    callbacks = [WandbMetricsLogger(log_freq, run=run), added]
    fit(counting_model(), callbacks=callbacks if logger_comes == "first" else callbacks[::-1])

    written = read_back(run)
    assert len(added.logged) == 20
    assert written.column("epoch/epoch") == [0, 1]
    if log_freq == 5:  # what is added in between is written over, as by the user's own rows
        assert written.column("batch/batch_step") == [0, 5, 10, 15]
        return
    assert written.column("mine") == added.logged
    assert written.column("batch/batch_step") == added.logged
    beside = [(row["mine"], row.get("batch/batch_step")) for row in written.rows("mine")]
    # Who adds a value behind the logger for the first time finds the row of that batch written.
    skipped = 0 if logger_comes == "last" else 1
    assert all(mine == batch for mine, batch in beside[skipped:])


@pytest.mark.backend_free
@pytest.mark.parametrize("log_freq", ["batch", "epoch"])
@pytest.mark.parametrize("logger_comes", ["first", "last"])
@pytest.mark.parametrize("hook", ["on_epoch_begin", "on_epoch_end"])
def test_values_added_at_each_epoch_are_kept(offline_run, read_back, hook, logger_comes, log_freq):
    run = offline_run()
    added = AddToRows(run, hook)
    callbacks = [WandbMetricsLogger(log_freq, run=run), added]
    order = callbacks if logger_comes == "first" else callbacks[::-1]
    fit(counting_model(), callbacks=order, epochs=3)

    written = read_back(run)
    assert written.column("mine") == added.logged == [0, 1, 2]
    assert written.column("epoch/epoch") == [0, 1, 2]
    if hook == "on_epoch_end" and log_freq == "epoch":
        assert [row["epoch/epoch"] for row in written.rows("mine")] == [0, 1, 2]


@pytest.mark.backend_free
def test_values_added_by_a_thread_are_kept(offline_run, read_back):
    run = offline_run()
    stop, logged = threading.Event(), []

    def add():
        while not stop.wait(0.002):
            logged.append(len(logged))
            run.log({f"mine/{logged[-1]}": 1}, commit=False)

    thread = threading.Thread(target=add)
    thread.start()
    fit(counting_model(), callbacks=[WandbMetricsLogger("batch", run=run)], epochs=4)
    stop.set()
    thread.join()

    written = read_back(run)
    assert written.column("batch/batch_step") == list(range(40))
    assert logged
    assert all(written.column(f"mine/{number}") == [1] for number in logged)


@pytest.mark.backend_free
@pytest.mark.parametrize("log_freq", ["batch", "epoch"])
def test_run_that_is_finished_while_training(offline_run, log_freq, monkeypatch):
    run, said = offline_run(), []
    monkeypatch.setattr(wandb, "termwarn", lambda text, **_: said.append(text))

    class Finish(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):  # noqa: ARG002
            if epoch == 1:
                run.finish()

    callbacks = [Finish(), WandbMetricsLogger(log_freq, run=run)]
    started = time.monotonic()
    fit(counting_model(), callbacks=callbacks, epochs=4)

    assert time.monotonic() - started < 20
    assert [text for text in said if "was finished while a training reports to it" in text] == said
    assert len(said) == 1
    assert read_run(Path(run.settings.sync_dir)).column("epoch/epoch") == [0]
