"""The training that all others are held against."""

import pytest

from multi_process.training import Share, build, train
from wk_testing.wandb_file import RunFile, read_run

pytest.register_assert_rewrite("multi_process.checks")  # says what was seen and what expected


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> RunFile:
    """What the training writes in one process, with whichever Keras the tests run."""
    directory = tmp_path_factory.mktemp("reference")
    train(directory, "reference", "epoch-{epoch}.keras", build, Share)
    return read_run(directory)
