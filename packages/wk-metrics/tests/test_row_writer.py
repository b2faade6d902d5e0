"""Rows of the logger among those of others."""

import threading

import pytest

from wk_metrics.row_writer import RowWriter

pytestmark = pytest.mark.backend_free


def test_no_row_is_lost_beside_another_thread(offline_run, read_back):
    run = offline_run()
    rows = RowWriter(run)
    for number in range(60):
        run.log({"before": number})

    def log_others():
        for number in range(600):
            run.log({"other": number})

    thread = threading.Thread(target=log_others)
    thread.start()
    for number in range(60):
        rows.open("epoch", {"loss": 0.5}, {"epoch": number}, step=number)
        rows.complete()
    thread.join()

    written = read_back(run)
    assert written.column("epoch/epoch") == list(range(60))
    assert written.column("other") == list(range(600))
