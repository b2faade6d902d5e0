"""Rows are made behind the training, in order, and logged before the run finishes."""

import threading

import pytest
import wandb

from wk_core.async_logger import AsyncLogger

pytestmark = pytest.mark.backend_free


def fail():
    raise OSError("disk full")


def test_rows_are_made_in_order_in_another_thread(offline_run, read_back):
    run = offline_run()
    rows, threads, done = AsyncLogger(run, "Test"), set(), []

    def make_row(number):
        threads.add(threading.get_ident())
        return {"number": number}

    for number in range(5):
        rows.log(lambda number=number: make_row(number))
    rows.submit(lambda: done.append(run.summary["number"]))
    rows.close()

    assert threads.isdisjoint({threading.get_ident()})
    assert done == [4]
    assert read_back(run).column("number") == [0, 1, 2, 3, 4]


def test_a_row_without_entries_is_none(offline_run, read_back):
    run = offline_run()
    rows = AsyncLogger(run, "Test")
    for row in ({}, {"number": 1}, {}):
        rows.log(lambda row=row: row)
    rows.close()
    assert [row["number"] for row in read_back(run).history] == [1]


def test_errors_come_back(offline_run):
    rows = AsyncLogger(offline_run(), "Test")
    rows.log(fail)
    with pytest.raises(OSError, match="disk full"):
        rows.flush()
    rows.submit(fail)
    with pytest.raises(OSError, match="disk full"):
        rows.close()


def test_what_was_left_open_is_logged_before_the_run_finishes(offline_run, read_back, monkeypatch):
    run, said = offline_run(), []
    monkeypatch.setattr(wandb, "termerror", said.append)
    rows = AsyncLogger(run, "Test")
    rows.submit(fail)
    rows.log(lambda: {"number": 1})

    assert read_back(run).column("number") == [1]
    assert said == ["Test could not finish its work: OSError: disk full."]


def test_disabled_run_makes_no_row(offline_run):
    rows = AsyncLogger(offline_run(mode="disabled"), "Test")
    rows.log(fail)
    rows.close()
