"""A run for the trainings of a module, which are many."""

from collections.abc import Iterator

import pytest
import wandb


@pytest.fixture(scope="module", autouse=True)
def module_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[wandb.Run]:
    """Keeps one offline run open for all tests of a module."""
    with wandb.init(project="test", mode="offline", dir=tmp_path_factory.mktemp("run")) as run:
        yield run
