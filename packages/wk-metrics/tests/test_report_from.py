"""What each process of a training reports."""

import pytest

from wk_metrics import WandbMetricsLogger
from wk_testing.training import STEPS, counting_model, fit

pytestmark = pytest.mark.backend_free


def run_as(process, offline_run, read_back, monkeypatch, **arguments):
    monkeypatch.setenv("WK_PROCESS", process)
    run = offline_run(group="one training", reinit="create_new")
    fit(counting_model(), callbacks=[WandbMetricsLogger(5, run=run, **arguments)])
    return read_back(run)


def test_every_process_reports_its_own_throughput(offline_run, read_back, monkeypatch):
    first, second = (
        run_as(process, offline_run, read_back, monkeypatch, report_from="all")
        for process in ("0/2", "1/2")
    )
    for index, written in enumerate((first, second)):
        assert written.column(f"process_{index}/epoch") == [0, 1]
        assert len(written.column(f"process_{index}/steps_per_second")) == 2
        assert written.step_metrics[f"process_{index}/*"] == f"process_{index}/epoch"

    assert first.column("epoch/epoch") == [0, 1]
    assert first.column("batch/batch_step") == list(range(0, 2 * STEPS, 5))
    assert first.column("epoch/steps_per_second") == []  # has not been asked for
    keys = {key for row in second.history for key in row}
    assert {key.partition("/")[0] for key in keys} == {"_step", "process_1"}
    assert set(second.step_metrics) == {"process_1/epoch", "process_1/*"}


def test_only_one_process_reports_unless_asked_to(offline_run, read_back, monkeypatch):
    written = run_as("1/2", offline_run, read_back, monkeypatch, throughput=True)
    assert written.history == []
    assert written.step_metrics == {}


def test_who_else():
    with pytest.raises(ValueError, match=r"'one' or 'all'\. Received: report_from='chief'"):
        WandbMetricsLogger(report_from="chief")
