"""What the server shows of a training that an exception, Ctrl-C or SIGKILL has ended."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from wandb_loopback import WandbServer
from wandb_loopback.reading import column, read_path, sync
from wk_core.compat.keras.flavour import backend
from wk_testing.endings import interruptions
from wk_testing.scripts import run_script
from wk_testing.versions import sync_skips_online_runs
from wk_testing.wandb_file import read_unfinished_run

RAISING = """
import wandb
from wk_core.compat.keras.flavour import keras
from wk_metrics import WandbMetricsLogger
from wk_testing.training import counting_model, fit

class Interrupt(keras.callbacks.Callback):
    async_safe = True

    def on_train_batch_begin(self, batch, logs=None):
        if batch == 7:
            raise {error}("interrupted")

run = wandb.init(project="p", id="interrupted")
callbacks = [WandbMetricsLogger("batch"), Interrupt()]
"""

ENDINGS = {
    "with": "with run:\n    fit(counting_model(), callbacks=callbacks)",
    "process": "fit(counting_model(), callbacks=callbacks)",
}


@pytest.mark.parametrize(("ending", "error", "its_backend"), interruptions(ENDINGS))
def test_exception_in_fit(wandb_server: WandbServer, ending: str, error: str, its_backend: str):
    script = RAISING.format(error=error) + ENDINGS[ending]
    process = run_script(script, KERAS_BACKEND=its_backend)

    assert f"{error}: interrupted" in process.stderr
    seen = read_path("p/interrupted", wandb_server.url)
    assert column(seen, "batch/batch_step") == list(range(7))
    assert column(seen, "batch/seen") == list(range(7))
    assert seen.state == "failed"


ENDLESS = """
import signal
import sys
import time
import wandb
from wk_core.compat.keras.flavour import keras
from wk_metrics import WandbMetricsLogger
from wk_testing.training import counting_model, fit

class Report(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        print(int(logs["seen"]), flush=True)
        time.sleep(0.005)

# As in a terminal: a shell has what it starts in the background ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A printed line takes locks of wandb's, and an interrupt at the wrong moment leaves them taken.
settings = wandb.Settings(console="off")
with wandb.init(project="p", id="interrupted", mode=sys.argv[1], settings=settings) as run:
    print(run.settings.sync_dir, flush=True)
    fit(counting_model(), callbacks=[WandbMetricsLogger("batch"), Report()], epochs=100_000)
"""


class Training:
    """A process that trains without an end, in a session of its own, as in a terminal.

    Args:
        mode: The mode of its run.
        its_backend: What it trains on.
        errors: Where its errors go.
    """

    def __init__(self, mode: str, its_backend: str, errors: IO[str]) -> None:
        environment = {key: value for key, value in os.environ.items() if key != "WANDB_SERVICE"}
        environment["KERAS_BACKEND"] = its_backend
        self.process = subprocess.Popen(
            [sys.executable, "-c", ENDLESS, mode],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
        self.directory = Path(self._line())
        self.ended_batch = -1

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def go_on(self) -> None:
        """Waits for the end of the next batch."""
        self.ended_batch = int(self._line())

    def interrupt(self) -> None:
        """Presses Ctrl-C: all processes of the session get the signal.

        Presses again when training goes on: Python drops an interrupt that comes where it cannot
        raise it, as while it collects garbage.
        """
        assert self.process.stdout is not None
        os.killpg(self.process.pid, signal.SIGINT)
        for count, line in enumerate(self.process.stdout, start=1):
            self.ended_batch = int(line)
            if count % 1000 == 0:
                os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(timeout=120)

    def kill(self) -> None:
        """Ends the process at once."""
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """Leaves nothing behind."""
        self.kill()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def start_training(tmp_path: Path, wandb_server: WandbServer) -> Iterator[Callable[..., Training]]:
    assert wandb_server.running
    started: list[Training] = []
    with (tmp_path / "errors.txt").open("w") as errors:

        def start(mode: str, its_backend: str = backend()) -> Training:
            started.append(Training(mode, its_backend, errors))
            return started[-1]

        yield start
    for training in started:
        training.close()


def test_ctrl_c(wandb_server: WandbServer, start_training: Callable[..., Training], tmp_path: Path):
    training = start_training("online")
    while training.ended_batch < 50:
        training.go_on()
    training.interrupt()

    assert "KeyboardInterrupt" in (tmp_path / "errors.txt").read_text()
    seen = read_path("p/interrupted", wandb_server.url)
    batches = column(seen, "batch/batch_step")
    # The signal may have come before or after the hook of the batch at work.
    assert training.ended_batch <= batches[-1] <= training.ended_batch + 1
    assert batches == list(range(len(batches)))
    assert column(seen, "batch/seen") == batches
    assert seen.state == "failed"


@pytest.mark.backend_free
@pytest.mark.parametrize("mode", ["online", "offline"])
def test_killed_process(
    wandb_server: WandbServer, start_training: Callable[..., Training], mode: str
):
    training = start_training(mode, "jax")  # which is imported soonest
    flushed: list[int] = []
    while not flushed:
        training.go_on()
        if training.ended_batch % 50 == 0:
            flushed = read_unfinished_run(training.directory).column("batch/batch_step")
    training.kill()

    # What the server has already stays; a run of its own takes the whole of what was flushed.
    online = mode == "online"
    sync(training.directory, *(["--include-online", "--id", "copy"] if online else []))
    seen = read_path("p/copy" if online else "p/interrupted", wandb_server.url)
    batches = column(seen, "batch/batch_step")
    assert batches == list(range(len(batches)))
    assert batches[: len(flushed)] == flushed
    assert column(seen, "batch/seen") == batches
    assert seen.state == ("failed" if sync_skips_online_runs() else "finished")
    if online:
        streamed = read_path("p/interrupted", wandb_server.url)
        assert column(streamed, "batch/batch_step") == list(
            range(len(column(streamed, "batch/batch_step")))
        )
        assert streamed.state == "running"
