"""Failures that the client does not outlast, and how `wandb sync` makes up for them."""

import threading
import time
from collections.abc import Callable

import pytest
import wandb

from wandb_loopback import WandbServer
from wandb_loopback.reading import column, read, read_path, sync
from wk_metrics import WandbMetricsLogger
from wk_testing.training import STEPS, counting_model, fit
from wk_testing.versions import needs_finish_timeout, require_sync_that_skips_online_runs

pytestmark = pytest.mark.backend_free

FIRST_HALF = list(range(2 * STEPS))
WHOLE = list(range(4 * STEPS))


def train(*runs: wandb.Run, start: int = 0) -> None:
    fit(counting_model(), start, callbacks=[WandbMetricsLogger("batch", run=run) for run in runs])


def wait_for_rows(run: wandb.Run, count: int) -> None:
    deadline = time.monotonic() + 60
    while len(column(read(run), "_step")) < count:
        assert time.monotonic() < deadline, "the rows do not arrive"
        time.sleep(0.2)


def lose_second_half(refusals: dict[WandbServer, int]) -> list[wandb.Run]:
    """Trains twice; each server refuses one request of the second training."""
    runs = [
        wandb.init(
            project="p",
            reinit="create_new",
            settings=wandb.Settings(base_url=server.url),
        )
        for server in refusals
    ]
    train(*runs)
    for run in runs:
        wait_for_rows(run, 2 * STEPS + 2)
    for server, status in refusals.items():
        server.fail("file_stream", status, times=1)
    train(*runs, start=2 * STEPS)
    for run in runs:
        run.finish()
    return runs


def test_one_refusal_ends_the_upload(
    start_server: Callable[[], WandbServer], monkeypatch: pytest.MonkeyPatch
):
    refusals = {start_server(): status for status in (400, 401, 403, 404, 410)}
    runs = lose_second_half(refusals)

    for run, (server, status) in zip(runs, refusals.items(), strict=True):
        seen = read(run)
        assert column(seen, "batch/batch_step") == FIRST_HALF, status
        assert seen.state == "running", status

        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        sync(run, "--include-online", "--id", "whole")
        whole = read_path("p/whole", server.url)
        assert column(whole, "batch/batch_step") == WHOLE, status
        assert column(whole, "batch/seen") == WHOLE, status
        assert whole.summary["batch/batch_step"] == WHOLE[-1], status
        assert whole.state == "finished", status


def test_sync_skips_an_online_run_unless_told(wandb_server: WandbServer):
    require_sync_that_skips_online_runs()
    (run,) = lose_second_half({wandb_server: 404})
    assert "Skipped 1 online run" in sync(run)
    assert column(read(run), "batch/batch_step") == FIRST_HALF


def test_sync_puts_all_rows_behind_those_that_are_there(wandb_server: WandbServer):
    require_sync_that_skips_online_runs()
    (run,) = lose_second_half({wandb_server: 404})
    sync(run, "--include-online")
    assert sorted(column(read(run), "batch/batch_step")) == sorted(FIRST_HALF + WHOLE)


@needs_finish_timeout
@pytest.mark.parametrize("raises", [False, True])
def test_server_stays_down(wandb_server: WandbServer, raises: bool):
    settings = wandb.Settings(finish_timeout=3, finish_timeout_raises=raises)
    run = wandb.init(project="p", settings=settings)
    wandb_server.stop()
    train(run)
    if raises:
        with pytest.raises(TimeoutError):
            run.finish()
    else:
        run.finish()
    wandb_server.start()
    assert read(run).state == "running"
    assert column(read(run), "batch/batch_step") == []

    sync(run, "--include-online")
    seen = read(run)
    assert column(seen, "batch/batch_step") == FIRST_HALF
    assert column(seen, "batch/seen") == FIRST_HALF
    assert seen.state == "finished"


def test_server_is_down_when_the_run_starts(wandb_server: WandbServer):
    wandb_server.stop()
    with pytest.raises(wandb.errors.CommError, match="init_timeout"):
        wandb.init(project="p", settings=wandb.Settings(init_timeout=3))


def test_init_timeout_outlasts_an_outage(wandb_server: WandbServer):
    wandb_server.stop()
    timer = threading.Timer(4, wandb_server.start)
    timer.start()
    with wandb.init(project="p", settings=wandb.Settings(init_timeout=120)) as run:
        train(run)
    timer.join()
    assert column(read(run), "batch/batch_step") == FIRST_HALF
    assert read(run).state == "finished"
