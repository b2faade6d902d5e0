"""What a resumed run has of an axis, also where its last process died between row and summary."""

import pytest
import wandb

from wandb_loopback import WandbServer
from wandb_loopback.half_sent import send_row, send_summary
from wk_core.axes import last_row

pytestmark = pytest.mark.backend_free

KEY, OTHER = "batch/batch_step", "epoch/epoch"
ROWS = 3


@pytest.fixture
def ended(wandb_server: WandbServer) -> wandb.Run:  # noqa: ARG001
    """A run that has sent rows with the numbers 0 to 2, and the summary of the last one."""
    with wandb.init(project="p", id="run") as run:
        for number in range(ROWS):
            run.log({KEY: number})
    return run


def resume() -> wandb.Run:
    return wandb.init(project="p", id="run", resume="must")


@pytest.mark.usefixtures("ended")
def test_row_and_summary():
    with resume() as run:
        assert last_row(run, KEY) == ROWS - 1
        assert last_row(run, OTHER) is None


@pytest.mark.parametrize("step", [ROWS - 1, ROWS])
@pytest.mark.parametrize(("key", "last"), [(KEY, ROWS - 1), (OTHER, None)])
def test_summary_without_its_row(ended: wandb.Run, key: str, last: int | None, step: int):
    send_summary(ended, **{KEY: ROWS - 1, key: ROWS, "_step": step})
    with resume() as run:
        assert last_row(run, key) == last


@pytest.mark.parametrize("key", [KEY, OTHER])
def test_row_without_its_summary(ended: wandb.Run, key: str):
    send_row(ended, ROWS, **{key: ROWS, "_step": ROWS})
    with resume() as run:
        assert last_row(run, key) == ROWS


@pytest.mark.usefixtures("ended")
def test_axis_whose_last_row_is_long_ago():
    with resume() as run:
        for number in range(4_000):
            run.log({"others": number})
    send_summary(run, **{KEY: ROWS - 1, "others": 4_000, "_step": ROWS + 4_000})
    with resume() as run:
        assert last_row(run, KEY) == ROWS - 1
        assert last_row(run, OTHER) is None


def test_row_of_this_process(ended: wandb.Run):
    send_summary(ended, **{KEY: ROWS, "_step": ROWS})
    with resume() as run:
        run.log({KEY: 7})
        assert last_row(run, KEY) == 7


@pytest.mark.usefixtures("wandb_server")
def test_run_that_is_not_resumed():
    with wandb.init(project="p") as run:
        run.log({KEY: 7})
        assert last_row(run, KEY) is None
