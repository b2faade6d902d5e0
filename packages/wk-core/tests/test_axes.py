"""Key prefixes and their x axes."""

import pytest

from wk_core.axes import define_axis

pytestmark = pytest.mark.backend_free


def test_axis_of_a_prefix(offline_run, read_back):
    run = offline_run()
    define_axis(run, "epoch", "epoch")
    define_axis(run, "batch", "batch_step")

    assert read_back(run).step_metrics == {
        "epoch/epoch": "",
        "epoch/*": "epoch/epoch",
        "batch/batch_step": "",
        "batch/*": "batch/batch_step",
    }
