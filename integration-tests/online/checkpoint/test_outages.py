"""The server fails while checkpoints are on their way: none is lost, and training does not wait.

One training saves to many runs at once, each on a server of its own that fails in its own way.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import wandb

from wandb_loopback import WandbServer
from wandb_loopback.reading import read, staged_files, versions
from wk_checkpoint import Retention, WandbModelCheckpoint
from wk_core.compat.keras.flavour import keras
from wk_testing.resuming import Shuffled, random_model
from wk_testing.versions import file_digest

pytestmark = [pytest.mark.backend_free, pytest.mark.slow]


def kill(server: WandbServer, seconds: float) -> None:
    server.kill()
    timer = threading.Timer(seconds, server.start)
    timer.daemon = True
    timer.start()


FAULTS: dict[str, Callable[[WandbServer, float], None]] = {
    "none": lambda server, _: server.heal(),
    "500": lambda server, seconds: server.fail(status=500, seconds=seconds, from_first=True),
    "503 for files": lambda server, seconds: server.fail("files", seconds=seconds, from_first=True),
    "connections closed": lambda server, seconds: server.drop(seconds=seconds, from_first=True),
    "no answer": lambda server, seconds: server.stall(seconds=seconds, from_first=True),
    "replies lost": lambda server, seconds: server.lose_reply(seconds=seconds, from_first=True),
    "killed": kill,
}


class Outage(keras.callbacks.Callback):
    """Lets the servers fail at an epoch's begin, ends training later, and times the epochs' ends.

    Args:
        servers: The servers, by the fault that each is to have.
        epoch: The epoch at whose begin the outage begins.
        seconds: How long it lasts.
        more: Seconds of training from then on.
    """

    def __init__(
        self, servers: dict[str, WandbServer], epoch: int, seconds: float, more: float
    ) -> None:
        super().__init__()
        self._servers = servers
        self._begin = epoch
        self._seconds = seconds
        self._more = more
        self._since = 0.0
        self._ended: float | None = None
        self.pauses: list[float] = []
        self.epochs = 0

    def on_epoch_begin(self, epoch, logs=None):  # noqa: ARG002
        if epoch > self._begin and self._ended is not None:
            self.pauses.append(time.perf_counter() - self._ended)
        if epoch == self._begin:
            with ThreadPoolExecutor(len(self._servers)) as pool:
                for fault, server in self._servers.items():
                    pool.submit(FAULTS[fault], server, self._seconds)
            self._since = time.monotonic()

    def on_train_batch_begin(self, batch, logs=None):  # noqa: ARG002
        time.sleep(0.05)

    def on_epoch_end(self, epoch, logs=None):  # noqa: ARG002
        self.epochs = epoch + 1
        if epoch >= self._begin and time.monotonic() - self._since >= self._more:
            self.model.stop_training = True
        self._ended = time.perf_counter()


def start_run(server: WandbServer) -> wandb.Run:
    # The tests' client tries again sooner than wandb's own; twenty times are over too soon then.
    settings = wandb.Settings(
        base_url=server.url, x_graphql_retry_max=90, x_file_transfer_retry_max=90
    )
    return wandb.init(project="p", reinit="create_new", settings=settings)


@pytest.mark.parametrize(
    ("begin", "seconds", "more", "rule"),
    [
        pytest.param(1, 6, 7, None, id="start"),
        pytest.param(3, 20, 21, None, id="middle"),
        pytest.param(3, 3, 0, None, id="end"),
        pytest.param(3, 6, 7, Retention(best=0, last=2), id="middle, with retention"),
    ],
)
def test_outage_loses_nothing_and_holds_nothing_up(
    start_server: Callable[[], WandbServer],
    tmp_path: Path,
    begin: int,
    seconds: float,
    more: float,
    rule: Retention | None,
):
    servers = {fault: start_server() for fault in FAULTS}
    runs = {fault: start_run(server) for fault, server in servers.items()}
    checkpoints = [
        WandbModelCheckpoint(tmp_path / fault / "model.keras", "loss", run=run, retention=rule)
        for fault, run in runs.items()
    ]
    outage = Outage(servers, begin, seconds, more)
    random_model().fit(
        Shuffled(), epochs=1000, shuffle=False, verbose=0, callbacks=[outage, *checkpoints]
    )
    finish(list(runs.values()))

    struck = {
        fault for fault, server in servers.items() if any(each.fault for each in server.requests())
    }
    assert struck == FAULTS.keys() - {"none", "killed"}  # a new process knows of none
    first = 0 if rule is None else outage.epochs - 2
    expected = [version.digest for version in versions(runs["none"]).values()]
    for fault, run in runs.items():
        arrived = versions(run)
        epochs = [version.metadata["epoch"] for version in arrived.values()]
        assert epochs == list(range(first, outage.epochs)), fault
        if rule is None:  # else each one holds the paths of the files that it is about
            assert [version.digest for version in arrived.values()] == expected, fault
        *_, last = arrived.values()
        digest = file_digest(tmp_path / fault / "model.keras")
        assert last.manifest.entries["model.keras"].digest == digest, fault
        assert {"latest", f"epoch_{outage.epochs - 1}"} <= set(last.aliases), fault
        assert staged_files(run) == [], fault
        assert read(run).state == "finished", fault
    assert outage.pauses or more == 0
    # On a busy machine each epoch waits a moment until the last one's checkpoints are saved.
    assert max(outage.pauses, default=0.0) < seconds / 2


def finish(runs: list[wandb.Run]) -> None:
    with ThreadPoolExecutor(len(runs)) as pool:
        for finished in [pool.submit(run.finish) for run in runs]:
            finished.result()
