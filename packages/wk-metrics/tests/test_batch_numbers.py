"""`batch/batch_step` is the number that the data pipeline itself gave to the batch."""

import numpy as np
import pytest

from wk_core.compat.keras.flavour import keras
from wk_metrics import WandbMetricsLogger
from wk_testing.training import BATCH_SIZE, STEPS, counting_model, executions, fit, numbered_batches


def fresh(model, new_logger):
    fit(model, 0, callbacks=[new_logger()])
    return 0, 20


def from_initial_epoch(model, new_logger):
    fit(model, 30, callbacks=[new_logger()], initial_epoch=3)
    return 30, 50


def second_fit_same_logger(model, new_logger):
    logger = new_logger()
    fit(model, 0, callbacks=[logger])
    fit(model, 20, callbacks=[logger], epochs=1)
    return 0, 30


def second_fit_new_logger(model, new_logger):
    fit(model, 0, callbacks=[new_logger()])
    fit(model, 20, callbacks=[new_logger()], epochs=1)
    return 0, 30


def optimizer_has_run(model, new_logger):
    fit(model, 0, epochs=1)
    fit(model, 10, callbacks=[new_logger()])
    return 10, 30


def optimizer_has_run_between(model, new_logger):
    fit(model, 0, callbacks=[new_logger()], epochs=1)
    fit(model, 10, epochs=1)
    fit(model, 20, callbacks=[new_logger()], epochs=1)
    return [(0, 10), (20, 30)]


def compiled_again(model, new_logger):
    fit(model, 0, callbacks=[new_logger()])
    model.compile("sgd", "mse", metrics=model.metrics[1].metrics, **_COMPILED)
    fit(model, 20, callbacks=[new_logger()], epochs=1)
    fit(model, 30, callbacks=[new_logger()], epochs=1)
    return 0, 40


def start_given(model, new_logger):
    logger = new_logger(initial_global_step=70)
    fit(model, 70, callbacks=[logger], epochs=1)
    fit(model, 80, callbacks=[logger], epochs=1)
    return 70, 90


_COMPILED = {}


@pytest.mark.parametrize("steps_per_execution", executions(5))
@pytest.mark.parametrize("log_freq", ["batch", pytest.param(3, marks=pytest.mark.backend_free), 7])
@pytest.mark.parametrize(
    "scenario",
    [
        fresh,
        from_initial_epoch,
        second_fit_same_logger,
        second_fit_new_logger,
        optimizer_has_run,
        optimizer_has_run_between,
        compiled_again,
        start_given,
    ],
)
def test_number_is_the_pipelines(
    offline_run, read_back, monkeypatch, scenario, log_freq, steps_per_execution
):
    monkeypatch.setitem(_COMPILED, "steps_per_execution", steps_per_execution)
    model = counting_model(steps_per_execution=steps_per_execution)
    run = offline_run()

    trained = scenario(
        model, lambda **arguments: WandbMetricsLogger(log_freq, run=run, **arguments)
    )

    rows = read_back(run).rows("batch/batch_step")
    ranges = trained if isinstance(trained, list) else [trained]
    every = 1 if log_freq == "batch" else log_freq
    assert [row["batch/batch_step"] for row in rows] == [
        last
        for start, stop in ranges
        for last in range(start + steps_per_execution - 1, stop, steps_per_execution)
        if any(n % every == 0 for n in range(last - steps_per_execution + 1, last + 1))
    ]
    for row in rows:
        assert row["batch/batch_step"] == row["batch/seen"]


@pytest.mark.parametrize("steps_per_execution", executions(3, 4, 16))
def test_last_execution_of_an_epoch_is_not_counted_as_full(
    offline_run, read_back, steps_per_execution
):
    model = counting_model(steps_per_execution=steps_per_execution)
    run = offline_run()
    logger = WandbMetricsLogger("batch", run=run)
    for start in (0, 10):
        x, y = map(np.concatenate, zip(*numbered_batches(start, start + STEPS), strict=True))
        model.fit(x, y, batch_size=BATCH_SIZE, shuffle=False, verbose=0, callbacks=[logger])

    rows = read_back(run).rows("batch/batch_step")

    expected = {
        1: [*range(20)],
        3: [2, 5, 8, 9, 12, 15, 18, 19],
        4: [3, 7, 9, 13, 17, 19],
        16: [9, 19],
    }
    assert [row["batch/batch_step"] for row in rows] == expected[steps_per_execution]
    assert [row["batch/seen"] for row in rows] == expected[steps_per_execution]


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
@pytest.mark.parametrize("steps_per_execution", executions(3, 4, 16))
def test_epoch_of_unknown_length(offline_run, read_back, steps_per_execution):
    model = counting_model(steps_per_execution=steps_per_execution)
    run = offline_run()
    logger = WandbMetricsLogger("batch", run=run)
    for start in (0, 10):
        model.fit(numbered_batches(start, start + 10), shuffle=False, verbose=0, callbacks=[logger])

    rows = read_back(run).rows("batch/batch_step")

    assert [row["batch/batch_step"] for row in rows] == [row["batch/seen"] for row in rows]
    assert rows[-1]["batch/batch_step"] == 19


def test_epochs_go_on_in_a_second_fit(offline_run, read_back):
    model = counting_model()
    run = offline_run()
    fit(model, 0, callbacks=[WandbMetricsLogger(run=run)])
    fit(model, 20, callbacks=[WandbMetricsLogger(run=run)])
    fit(model, 80, callbacks=[WandbMetricsLogger(run=run)], initial_epoch=8, epochs=1)

    assert read_back(run).column("epoch/epoch") == [0, 1, 2, 3, 8]


def test_interrupted_fit_goes_on_where_its_state_was_put_back(offline_run, read_back):
    class Interrupt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):  # noqa: ARG002
            if batch == 6:
                raise RuntimeError("interrupted")

    model = counting_model()
    run = offline_run()
    logger = WandbMetricsLogger("batch", run=run)
    fit(model, 0, callbacks=[logger], epochs=1)
    state = [variable.numpy() for variable in model.optimizer.variables]
    with pytest.raises(RuntimeError, match="interrupted"):
        fit(model, 10, callbacks=[logger, Interrupt()], initial_epoch=1)
    for variable, value in zip(model.optimizer.variables, state, strict=True):
        variable.assign(value)
    fit(model, 10, callbacks=[logger], initial_epoch=1, epochs=1)

    written = read_back(run)
    assert written.column("batch/batch_step") == [*range(10), *range(10, 17), *range(10, 20)]
    assert written.column("batch/seen") == written.column("batch/batch_step")
    assert written.column("epoch/epoch") == [0, 1]


def test_two_loggers_agree(offline_run, read_back):
    model = counting_model()
    run = offline_run()
    loggers = [WandbMetricsLogger("batch", run=run), WandbMetricsLogger(3, run=run)]
    fit(model, 0, callbacks=loggers)
    fit(model, 20, callbacks=loggers, epochs=1)

    rows = read_back(run).rows("batch/batch_step")
    assert sorted(row["batch/batch_step"] for row in rows) == sorted([*range(30), *range(0, 30, 3)])
    assert all(row["batch/batch_step"] == row["batch/seen"] for row in rows)
