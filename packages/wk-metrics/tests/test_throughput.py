"""How fast an epoch trained: checked against a clock that the test turns, and in a real fit."""

import time

import keras
import numpy as np
import pytest

from wk_metrics import WandbMetricsLogger
from wk_metrics.throughput import Throughput
from wk_testing.training import BATCH_SIZE, STEPS, counting_model, numbered_batches

KEYS = ("steps_per_second", "samples_per_second", "mean_step_time")


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def train(throughput, clock, *, step, wait, batches=10):
    for batch in range(batches):
        clock.now += wait
        throughput.begin_execution(batch)
        clock.now += step
        throughput.end_execution()
    clock.now += 1000  # validation, checkpoints
    return throughput.metrics(batches, samples=4 * batches)


@pytest.mark.backend_free
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_arithmetic(monkeypatch, backend):
    monkeypatch.setattr("wk_metrics.throughput.backend", lambda: backend)
    clock = Clock()
    throughput = Throughput(clock)
    train(throughput, clock, step=0.3, wait=0.1)
    throughput.start_epoch()
    metrics = train(throughput, clock, step=0.3, wait=0.1)

    # Between the ten steps lie nine waits; only on PyTorch they are for data.
    seconds = 10 * 0.3 + 9 * 0.1 if backend == "torch" else 10 * 0.3
    assert metrics["steps_per_second"] == pytest.approx(10 / seconds)
    assert metrics["samples_per_second"] == pytest.approx(40 / seconds)
    assert metrics["mean_step_time"] == pytest.approx(seconds / 10)
    if backend == "torch":
        assert metrics["data_wait_share"] == pytest.approx(0.9 / seconds)
    else:
        assert "data_wait_share" not in metrics


@pytest.mark.backend_free
def test_first_execution_is_left_out_since_it_compiles(monkeypatch):
    monkeypatch.setattr("wk_metrics.throughput.backend", lambda: "tensorflow")
    clock = Clock()
    throughput = Throughput(clock)
    throughput.begin_execution(0)
    clock.now += 60
    throughput.end_execution()
    for batch in range(1, 10):
        throughput.begin_execution(batch)
        clock.now += 0.5
        throughput.end_execution()

    assert throughput.metrics(10, samples=0) == {
        "steps_per_second": pytest.approx(2),
        "mean_step_time": pytest.approx(0.5),
    }


@pytest.mark.backend_free
def test_steps_that_run_behind_their_dispatch_do_not_wait(monkeypatch):
    monkeypatch.setattr("wk_metrics.throughput.backend", lambda: "torch")
    clock = Clock()
    throughput = Throughput(clock)
    throughput.metrics(0, 0)  # nothing compiles any more
    throughput.begin_execution(0)
    throughput.begin_execution(1)
    clock.now += 1
    throughput.end_execution()
    clock.now += 1
    throughput.end_execution()

    assert throughput.metrics(2, 0)["data_wait_share"] == 0


class Slow(keras.callbacks.Callback):
    """Stands for validation and for checkpoints at the end of an epoch."""

    def on_epoch_end(self, epoch, logs=None):  # noqa: ARG002
        time.sleep(0.5)

    def on_test_end(self, logs=None):  # noqa: ARG002
        time.sleep(0.5)


def test_in_a_fit(offline_run, read_back):
    model = counting_model()
    run = offline_run()
    model.fit(
        numbered_batches(),
        steps_per_epoch=STEPS,
        epochs=3,
        shuffle=False,
        verbose=0,
        validation_data=(np.zeros((100, 2)), np.zeros((100, 1))),
        callbacks=[Slow(), WandbMetricsLogger(run=run, throughput=True)],
    )

    written = read_back(run)
    assert written.rows("batch/batch_step") == []
    for row in written.rows("epoch/epoch"):
        steps, samples, step_time = (row[f"epoch/{key}"] for key in KEYS)
        assert samples == pytest.approx(steps * BATCH_SIZE)
        assert step_time == pytest.approx(1 / steps)
        assert step_time * STEPS < 0.5, "validation or saving was counted"
        waits_are_seen = keras.backend.backend() == "torch"
        assert ("epoch/data_wait_share" in row) == waits_are_seen


@pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="the trainer draws data inside the step"
)
def test_waiting_for_data_is_seen(offline_run, read_back):
    def slowly():
        for batch in numbered_batches():
            time.sleep(0.05)
            yield batch

    run = offline_run()
    counting_model().fit(
        slowly(),
        steps_per_epoch=STEPS,
        epochs=2,
        shuffle=False,
        verbose=0,
        callbacks=[WandbMetricsLogger(run=run, throughput=True)],
    )

    assert read_back(run).column("epoch/data_wait_share")[-1] > 0.5


def test_samples_are_unknown_where_the_model_computes_its_own_loss(offline_run, read_back):
    class Own(keras.Sequential):
        def train_step(self, *arguments):
            if keras.backend.backend() == "jax":
                return {"loss": keras.ops.zeros(())}, arguments[0]
            return {"loss": keras.ops.zeros(())}

    model = Own([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    run = offline_run()
    model.fit(
        np.zeros((40, 2)),
        np.zeros((40, 1)),
        batch_size=BATCH_SIZE,
        epochs=2,
        verbose=0,
        validation_data=(np.zeros((8, 2)), np.zeros((8, 1))),  # counted by Keras' own test step
        callbacks=[WandbMetricsLogger(run=run, throughput=True)],
    )

    written = read_back(run)
    assert len(written.column("epoch/steps_per_second")) == 2
    assert written.column("epoch/samples_per_second") == []
