"""Outages of 20 seconds: nothing is lost, and no step of the training waits.

One training reports to many runs at once, each on a server of its own that fails in its own way.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import wandb

from wandb_loopback import WandbServer
from wandb_loopback.reading import column, read
from wk_core.compat.keras.flavour import keras
from wk_metrics import WandbMetricsLogger
from wk_testing.training import STEPS, counting_model, fit

pytestmark = [pytest.mark.backend_free, pytest.mark.slow]

OUTAGE = 20.0
# How long a hook may take: far below the outage, far above what it takes on a busy machine.
BOUND = 2.0


def restart_later(server: WandbServer) -> None:
    timer = threading.Timer(OUTAGE, server.start)
    timer.daemon = True
    timer.start()


def stop(server: WandbServer) -> None:
    server.stop()
    restart_later(server)


def kill(server: WandbServer) -> None:
    server.kill()
    restart_later(server)


FAULTS: dict[str, Callable[[WandbServer], None]] = {
    "none": lambda server: server.heal(),
    "429": lambda server: server.fail(status=429, seconds=OUTAGE),
    "500": lambda server: server.fail(status=500, seconds=OUTAGE),
    "503": lambda server: server.fail(status=503, seconds=OUTAGE),
    "connections closed": lambda server: server.drop(seconds=OUTAGE),
    "no answer": lambda server: server.stall(seconds=OUTAGE),
    "replies lost": lambda server: server.lose_reply(seconds=OUTAGE),
    "stopped": stop,
    "killed": kill,
}


class TimedLogger(WandbMetricsLogger):
    """The logger, with the times that its batch hooks take."""

    def __init__(self, run: wandb.Run) -> None:
        super().__init__("batch", run=run)
        self.times: list[float] = []

    def on_train_batch_begin(self, batch, logs=None):
        begun = time.perf_counter()
        super().on_train_batch_begin(batch, logs)
        self.times.append(time.perf_counter() - begun)

    def on_train_batch_end(self, batch, logs=None):
        begun = time.perf_counter()
        super().on_train_batch_end(batch, logs)
        self.times.append(time.perf_counter() - begun)


class Outage(keras.callbacks.Callback):
    """Lets the servers fail when training has gone on for some time, and ends it some time later.

    Args:
        servers: The servers, by the fault that each is to have.
        begin: Seconds of training before the outage.
        more: Seconds of training from then on.
    """

    async_safe = True

    def __init__(self, servers: dict[str, WandbServer], begin: float, more: float) -> None:
        super().__init__()
        self._servers = servers
        self._begin = begin
        self._more = more
        self._since: float | None = None

    def on_train_begin(self, logs=None):  # noqa: ARG002
        self._training_since = time.monotonic()

    def on_train_batch_begin(self, batch, logs=None):  # noqa: ARG002
        if self._since is None and time.monotonic() - self._training_since >= self._begin:
            for fault, server in self._servers.items():
                FAULTS[fault](server)
            self._since = time.monotonic()
        time.sleep(0.05)

    def on_epoch_end(self, epoch, logs=None):  # noqa: ARG002
        if self._since is not None and time.monotonic() - self._since >= self._more:
            self.model.stop_training = True


def start_run(server: WandbServer) -> wandb.Run:
    settings = wandb.Settings(base_url=server.url)
    return wandb.init(project="p", reinit="create_new", settings=settings)


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        pytest.param(0, OUTAGE + 2, id="start"),
        pytest.param(2, OUTAGE + 2, id="middle"),
        pytest.param(2, 0, id="end"),
    ],
)
def test_outage_loses_nothing_and_holds_nothing_up(start_server, begin, more):
    servers = {fault: start_server() for fault in FAULTS}
    runs = {fault: start_run(server) for fault, server in servers.items()}
    loggers = {fault: TimedLogger(run) for fault, run in runs.items()}
    model = counting_model()
    outage = Outage(servers, begin, more)

    fit(model, callbacks=[outage, *loggers.values()], epochs=1000)
    with ThreadPoolExecutor(len(runs)) as pool:
        finished = [pool.submit(run.finish) for run in runs.values()]
    for each in finished:
        each.result()

    struck = {
        fault for fault, server in servers.items() if any(each.fault for each in server.requests())
    }
    assert struck == FAULTS.keys() - {"none", "stopped", "killed"}  # a new process knows of none
    batches = list(range(int(model.optimizer.iterations)))
    assert len(batches) >= STEPS
    for fault, run in runs.items():
        seen = read(run)
        assert column(seen, "batch/batch_step") == batches, fault
        assert column(seen, "batch/seen") == batches, fault
        assert column(seen, "epoch/epoch") == list(range(len(batches) // STEPS)), fault
        assert seen.summary["batch/batch_step"] == batches[-1], fault
        assert seen.state == "finished", fault
        assert max(loggers[fault].times) < BOUND, fault
