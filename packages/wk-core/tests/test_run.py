"""The run that a callback reports to."""

from functools import partial

import pytest
import wandb

from wk_core.compat.wandb.run_hooks import before_finish
from wk_core.run import resolve_run

pytestmark = pytest.mark.backend_free


def test_active_run(offline_run):
    run = offline_run()
    assert resolve_run("Callback") is run


def test_given_run_beats_the_active_one(offline_run):
    offline_run()
    given = offline_run(reinit="create_new")
    assert resolve_run("Callback", given) is given


def test_no_run():
    with pytest.raises(
        wandb.Error, match=r"Callback needs .*`wandb.init\(\)`.*Callback\(\.\.\., run=run"
    ):
        resolve_run("Callback")


def test_finished_run(offline_run):
    run = offline_run()
    run.finish()
    with pytest.raises(wandb.Error, match=f"run '{run.id}' is finished"):
        resolve_run("Callback", run)


def test_something_else_than_a_run():
    with pytest.raises(TypeError, match="run='my-run'"):
        resolve_run("Callback", "my-run")


def test_disabled_run():
    run = wandb.init(mode="disabled")
    assert resolve_run("Callback", run) is run
    before_finish(run, lambda: None)()
    run.finish()


def test_task_runs_before_the_run_finishes(offline_run, read_back):
    run = offline_run()
    before_finish(run, lambda: run.log({"late": 1}))

    assert read_back(run).column("late") == [1]


def test_task_runs_once_at_the_end_of_a_with_block(offline_run, read_back):
    run = offline_run()

    def train():
        with run:
            before_finish(run, lambda: run.log({"late": 1}))
            raise RuntimeError("training")

    with pytest.raises(RuntimeError, match="training"):
        train()

    assert read_back(run).column("late") == [1]


def test_request_taken_back(offline_run, read_back):
    run = offline_run()
    before_finish(run, lambda: run.log({"late": 1}))()

    assert read_back(run).column("late") == []


def test_task_that_takes_its_request_back_leaves_the_others_theirs(offline_run):
    run, done = offline_run(), []
    withdrawals = []

    def task(number):
        withdrawals[number]()
        done.append(number)

    for number in range(3):
        withdrawals.append(before_finish(run, partial(task, number)))
    run.finish()
    assert done == [0, 1, 2]
