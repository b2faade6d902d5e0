"""What the logger writes, and what it refuses."""

import math
import warnings

import keras
import numpy as np
import pytest
import wandb

from wk_metrics import WandbMetricsLogger
from wk_testing.training import counting_model, fit, numbered_batches


def evaluate(model, **arguments):
    return model.evaluate(numbered_batches(0, 3), steps=3, verbose=0, **arguments)


class AddLogs(keras.callbacks.Callback):
    """Adds to the epoch's logs, as custom metrics do."""

    def __init__(self, **logs):
        super().__init__()
        self.logs = logs

    def on_epoch_end(self, epoch, logs=None):  # noqa: ARG002
        logs.update(self.logs)


def test_epoch_rows(offline_run, read_back):
    model = counting_model()
    run = offline_run()
    history = model.fit(
        np.ones((8, 2)),
        np.ones((8, 1)),
        validation_split=0.5,
        epochs=2,
        verbose=0,
        callbacks=[WandbMetricsLogger(run=run)],
    ).history

    written = read_back(run)
    assert written.column("epoch/epoch") == [0, 1]
    for name in ("loss", "val_loss", "seen", "val_seen"):
        assert written.column(f"epoch/{name}") == pytest.approx(history[name])
    assert written.step_metrics == {"epoch/epoch": "", "epoch/*": "epoch/epoch"}
    assert not any(key.startswith(("batch/", "test/")) for row in written.history for key in row)


def test_batch_rows_come_before_their_epochs_row(offline_run, read_back):
    run = offline_run()
    fit(counting_model(), callbacks=[WandbMetricsLogger("batch", run=run)])

    written = read_back(run)
    kinds = ["epoch" if "epoch/epoch" in row else "batch" for row in written.history]
    assert kinds == [*["batch"] * 10, "epoch"] * 2
    assert written.step_metrics["batch/*"] == "batch/batch_step"
    assert all(set(row) >= {"batch/loss", "batch/seen"} for row in written.rows("batch/batch_step"))


@pytest.mark.backend_free
def test_active_run_is_the_default(offline_run, read_back):
    run = offline_run()
    fit(counting_model(), callbacks=[WandbMetricsLogger()], epochs=1)

    assert read_back(run).column("epoch/epoch") == [0]


@pytest.mark.backend_free
def test_several_runs_in_one_process(offline_run, read_back):
    runs = [offline_run(reinit="create_new") for _ in range(2)]
    models = [counting_model() for _ in runs]
    loggers = [WandbMetricsLogger("batch", run=run) for run in runs]
    for model, logger, start in zip(models, loggers, (0, 100), strict=True):
        fit(model, start, callbacks=[logger], epochs=1)

    for run, start in zip(runs, (0, 100), strict=True):
        written = read_back(run)
        assert written.column("batch/batch_step") == list(range(10))
        assert written.column("batch/seen") == list(range(start, start + 10))


@pytest.mark.backend_free
def test_two_runs_in_one_fit(offline_run, read_back):
    runs = [offline_run(reinit="create_new") for _ in range(2)]
    fit(counting_model(), callbacks=[WandbMetricsLogger(run=run) for run in runs])

    first, second = (read_back(run) for run in runs)
    assert first.column("epoch/loss") == second.column("epoch/loss")
    assert first.column("epoch/epoch") == second.column("epoch/epoch") == [0, 1]


def test_evaluate_outside_fit(offline_run, read_back):
    model = counting_model()
    run = offline_run()
    logger = WandbMetricsLogger(run=run)
    fit(model, callbacks=[logger], epochs=1)
    loss, seen = evaluate(model, callbacks=[logger])

    written = read_back(run)
    assert written.column("test/loss") == pytest.approx([loss])
    assert written.column("test/seen") == [seen] == [2]
    assert written.summary["test/loss"] == pytest.approx(loss)
    assert written.column("epoch/epoch") == [0]


@pytest.mark.backend_free
def test_evaluate_after_an_interrupted_fit(offline_run, read_back):
    class Interrupt(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):  # noqa: ARG002
            raise RuntimeError("interrupted")

    model = counting_model()
    run = offline_run()
    logger = WandbMetricsLogger(run=run)
    with pytest.raises(RuntimeError, match="interrupted"):
        fit(model, callbacks=[logger, Interrupt()])
    evaluate(model, callbacks=[logger])

    assert len(read_back(run).column("test/loss")) == 1


@pytest.mark.backend_free
def test_evaluate_inside_fit_by_another_callback(offline_run, read_back):
    run = offline_run()
    logger = WandbMetricsLogger(run=run)

    class Test(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):  # noqa: ARG002
            evaluate(self.model, callbacks=[logger])

    fit(counting_model(), callbacks=[logger, Test()])

    written = read_back(run)
    assert len(written.column("test/loss")) == 2
    assert written.column("epoch/epoch") == [0, 1]


@pytest.mark.backend_free
def test_numbers_that_are_not_finite(offline_run, read_back):
    run = offline_run()
    odd = AddLogs(nan=math.nan, infinite=-math.inf)
    fit(counting_model(), callbacks=[odd, WandbMetricsLogger(run=run)], epochs=1)

    (row,) = read_back(run).rows("epoch/epoch")
    assert math.isnan(row["epoch/nan"])
    assert row["epoch/infinite"] == -math.inf


@pytest.mark.backend_free
def test_what_is_no_number_is_left_out_with_one_warning(offline_run, read_back):
    run = offline_run()
    odd = AddLogs(vector=np.ones(3), text="a", scalar=np.ones((1, 1)), count=np.int64(3), on=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(counting_model(), callbacks=[odd, WandbMetricsLogger(run=run)], epochs=3)

    messages = [str(w.message) for w in caught if "WandbMetricsLogger" in str(w.message)]
    assert messages == [
        "WandbMetricsLogger logs numbers; it leaves out 'vector', which is of type ndarray and "
        "shape (3,).",
        "WandbMetricsLogger logs numbers; it leaves out 'text', which is of type str.",
    ]
    rows = read_back(run).rows("epoch/epoch")
    assert [(row["epoch/scalar"], row["epoch/count"], row["epoch/on"]) for row in rows] == [
        (1.0, 3, True)
    ] * 3
    assert not any("epoch/vector" in row or "epoch/text" in row for row in rows)


def test_logs_may_hold_tensors(offline_run, read_back):
    run = offline_run()
    logger = WandbMetricsLogger("batch", run=run)
    logger.set_model(counting_model())
    logger.on_train_begin()
    logger.on_epoch_begin(0)
    logger.on_train_batch_begin(0)
    logger.on_train_batch_end(0, {"loss": keras.ops.ones(())})
    logger.on_epoch_end(0, {"loss": keras.ops.ones((1,))})
    logger.on_train_end()

    written = read_back(run)
    assert written.column("batch/loss") == written.column("epoch/loss") == [1.0]


@pytest.mark.backend_free
def test_a_loop_of_the_users_own_may_call_one_hook_only(offline_run, read_back):
    run = offline_run()
    logger = WandbMetricsLogger(run=run)
    model = counting_model(keras.optimizers.SGD(0.25))
    logger.set_model(model)
    for epoch in range(2):
        model.train_on_batch(*next(numbered_batches()))
        logger.on_epoch_end(epoch, {"loss": 1.0})

    written = read_back(run)
    assert written.column("epoch/epoch") == [0, 1]
    assert written.column("epoch/learning_rate") == [0.25, 0.25]


def test_disabled_run_is_left_alone():
    run = wandb.init(mode="disabled")
    model = counting_model()
    for log_freq in ("epoch", "batch"):
        logger = WandbMetricsLogger(log_freq, run=run, throughput=True, log_model_info=True)
        fit(model, callbacks=[logger])
        evaluate(model, callbacks=[logger])
    run.finish()


def hooks_left_to_keras(logger):
    default = keras.callbacks.Callback
    return (
        logger.on_train_batch_begin.__func__ is default.on_train_batch_begin
        and logger.on_train_batch_end.__func__ is default.on_train_batch_end
    )


@pytest.mark.backend_free
def test_epochs_need_no_batch_hook(offline_run):
    offline_run()
    assert hooks_left_to_keras(WandbMetricsLogger())
    assert not hooks_left_to_keras(WandbMetricsLogger("batch"))
    assert not hooks_left_to_keras(WandbMetricsLogger(throughput=True))


@pytest.mark.parametrize("log_freq", ["epoch", "batch"])
def test_dispatch_stays_asynchronous(offline_run, log_freq):
    run = offline_run()
    hooks = keras.callbacks.CallbackList([WandbMetricsLogger(log_freq, run=run)])
    assert hooks._async_train == (keras.backend.backend() in ("jax", "torch"))


def test_subclass_hooks_are_called(offline_run, read_back):
    class Subclass(WandbMetricsLogger):
        batches = 0

        def on_train_batch_end(self, batch, logs=None):
            self.batches += 1
            super().on_train_batch_end(batch, logs)

        def on_epoch_end(self, epoch, logs=None):
            super().on_epoch_end(epoch, {**logs, "batches": self.batches})

    run = offline_run()
    fit(counting_model(), callbacks=[Subclass(run=run)], epochs=1)

    assert read_back(run).column("epoch/batches") == [10]


@pytest.mark.parametrize("log_freq", [0, -2, 2.0, True, False, "foo", None, "10"])
@pytest.mark.backend_free
def test_bad_log_freq(offline_run, log_freq):
    offline_run()
    with pytest.raises(
        ValueError, match="a whole number of batches, 1 or more, or 'epoch' or 'batch'"
    ) as raised:
        WandbMetricsLogger(log_freq)
    assert f"log_freq={log_freq!r}" in str(raised.value)


@pytest.mark.parametrize("start", [-1, 2.0, True, "10"])
@pytest.mark.backend_free
def test_bad_initial_global_step(offline_run, start):
    offline_run()
    with pytest.raises(ValueError, match="0 or more, or None") as raised:
        WandbMetricsLogger(initial_global_step=start)
    assert f"initial_global_step={start!r}" in str(raised.value)


@pytest.mark.backend_free
def test_without_a_run():
    with pytest.raises(wandb.Error, match=r"WandbMetricsLogger .*wandb.init\(\).*run=run"):
        WandbMetricsLogger()
