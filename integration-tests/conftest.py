"""The fixtures that every test here can use, and the order of the tests."""

import pytest

from wk_testing.fixtures import *  # noqa: F403  pytest finds fixtures by their names
from wk_testing.order import slow_ones_first


@pytest.hookimpl(trylast=True)  # when it is known which are left out
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Puts what takes long where it is begun early."""
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    items[:] = slow_ones_first(items, workers)
