"""Callbacks and the user add to one row of an epoch; none of them closes it for the others."""

import time

import pytest
import wandb

from wk_core.async_logger import AsyncLogger
from wk_core.compat.keras.flavour import keras
from wk_eval import RegressionEval
from wk_legacy import WandbCallback
from wk_metrics import WandbGradientLogger, WandbMetricsLogger, WandbWeightLogger
from wk_testing.training import counting_model, fit

pytestmark = pytest.mark.backend_free

EPOCHS = 4


class LogByEpoch(keras.callbacks.Callback):
    """Logs as many scripts do, a moment later than the other callbacks."""

    def on_epoch_end(self, epoch, logs=None):  # noqa: ARG002
        time.sleep(0.2)
        wandb.log({"mine": epoch}, step=epoch)


class AddToEpoch(keras.callbacks.Callback):
    """Adds to the row that is open, or comes next."""

    def on_epoch_end(self, epoch, logs=None):  # noqa: ARG002
        wandb.log({"mine": epoch}, commit=False)


def data():
    import numpy as np

    x = np.linspace(0, 1, 16, dtype="float32").reshape(8, 2)
    return x, x.sum(1, keepdims=True)


OTHERS = {
    "weights": lambda: [WandbWeightLogger()],
    "gradients": lambda: [WandbGradientLogger(data())],
    "evaluation": lambda: [RegressionEval(data())],
    "all": lambda: [WandbWeightLogger(), WandbGradientLogger(data()), RegressionEval(data())],
}


@pytest.mark.parametrize("position", ["first", "between", "last"])
@pytest.mark.parametrize("others", OTHERS.values(), ids=OTHERS)
def test_rows_with_the_epoch_as_step(offline_run, read_back, others, position):
    run = offline_run()
    mine, logger = LogByEpoch(), WandbMetricsLogger()
    order = {
        "first": [mine, logger, *others()],
        "between": [*others(), logger, mine],
        "last": [logger, *others(), mine],
    }
    fit(counting_model(), callbacks=order[position], epochs=EPOCHS)

    written = read_back(run)
    assert written.column("mine") == written.column("epoch/epoch") == list(range(EPOCHS))
    assert [row["_step"] for row in written.rows("mine")] == list(range(EPOCHS))
    assert [row["mine"] for row in written.rows("epoch/epoch")] == list(range(EPOCHS))


@pytest.mark.parametrize("position", ["first", "last"])
@pytest.mark.parametrize(
    "callbacks",
    [
        lambda: [WandbMetricsLogger(), WandbWeightLogger()],
        lambda: [WandbMetricsLogger("batch"), WandbWeightLogger(), WandbGradientLogger(data())],
        lambda: [WandbCallback(save_model=False, log_weights=True)],
        lambda: [WandbCallback(save_model=False, log_batch_frequency=1)],
        lambda: [WandbWeightLogger()],
    ],
    ids=["epochs", "batches", "legacy", "legacy by batch", "weights alone"],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_values_without_a_step(offline_run, read_back, callbacks, position):
    run = offline_run()
    mine = [AddToEpoch()]
    order = [*mine, *callbacks()] if position == "first" else [*callbacks(), *mine]
    fit(counting_model(), callbacks=order, epochs=EPOCHS)

    assert read_back(run).column("mine") == list(range(EPOCHS))


class CommitEpoch(keras.callbacks.Callback):
    """Commits the row that is open, which becomes the user's as well."""

    def on_epoch_end(self, epoch, logs=None):  # noqa: ARG002
        wandb.log({"mine": epoch})


class CommitBatch(keras.callbacks.Callback):
    """Logs each batch, from the first of the next epoch on."""

    def on_train_batch_end(self, batch, logs=None):  # noqa: ARG002
        wandb.log({"mine": batch})


class SlowRow(keras.callbacks.Callback):
    """Makes its rows in the background, which takes longer than an epoch."""

    def on_train_begin(self, logs=None):  # noqa: ARG002
        self.rows = AsyncLogger(wandb.run, "SlowRow")

    def on_epoch_end(self, epoch, logs=None):  # noqa: ARG002
        self.rows.log(lambda: time.sleep(0.2) or {"slow/epoch": epoch})

    def on_train_end(self, logs=None):  # noqa: ARG002
        self.rows.close()


def epochs_of_rows(written):
    """Returns, of each row that has the number of its epoch, each such number."""
    found = [{row[key] for key in row if key.split("/")[-1] == "epoch"} for row in written.history]
    return [epochs for epochs in found if epochs]


@pytest.mark.parametrize("position", ["first", "between", "last", "slow"])
@pytest.mark.parametrize("others", OTHERS.values(), ids=OTHERS)
def test_rows_of_epochs_shorter_than_the_background_gathers(
    offline_run, read_back, others, position
):
    run = offline_run()
    order = {
        "first": [WandbMetricsLogger(), *others()],
        "between": [SlowRow(), WandbMetricsLogger(), *others()],
        "last": [SlowRow(), *others(), WandbMetricsLogger()],
        "slow": [WandbMetricsLogger(), *others(), SlowRow()],
    }
    fit(counting_model(), callbacks=order[position], epochs=EPOCHS)

    written = read_back(run)
    assert epochs_of_rows(written) == [{epoch} for epoch in range(EPOCHS)]
    assert written.column("epoch/epoch") == list(range(EPOCHS))
    if position != "first":
        assert written.column("slow/epoch") == list(range(EPOCHS))


@pytest.mark.parametrize("mine", [CommitEpoch, CommitBatch])
@pytest.mark.parametrize("position", ["first", "between", "last"])
def test_rows_that_the_user_commits_hold_one_epoch(offline_run, read_back, position, mine):
    run = offline_run()
    order = [WandbMetricsLogger(), SlowRow()]
    order.insert(["first", "between", "last"].index(position), mine())
    fit(counting_model(), callbacks=order, epochs=EPOCHS)

    written = read_back(run)
    assert written.column("epoch/epoch") == written.column("slow/epoch") == list(range(EPOCHS))
    assert all(len(epochs) == 1 for epochs in epochs_of_rows(written))
    if mine is CommitBatch:
        assert written.column("mine") == [*range(10)] * EPOCHS
    elif position == "last":
        assert [row["mine"] for row in written.rows("slow/epoch")] == list(range(EPOCHS))
