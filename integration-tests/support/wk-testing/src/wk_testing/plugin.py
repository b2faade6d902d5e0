"""The pytest plugin of every test tree.

W&B is offline, in a directory of the test's own; there is no network; slow tests start early.
"""

import ipaddress
import os
import socket
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import wandb

from wk_testing.client import end_client
from wk_testing.wandb_file import RunFile, read_run
from wk_testing.warm.interpreter import end_interpreters

StartRun = Callable[..., wandb.Run]

# pytest does it for the modules of installed plugins, but does not find those of an editable one.
pytest.register_assert_rewrite("wk_testing.workers")


@pytest.hookimpl(trylast=True)  # after tests are deselected
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Starts slow tests early."""
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    items[:] = slow_first(items, workers)


def slow_first(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """Returns tests in an order in which each worker begins with its share of the slow tests.

    Otherwise the last test to run may take a minute, while other workers are idle. pytest-xdist
    splits the list into equal parts, one for each worker; an idle worker takes tests from the end
    of another's part. The slow tests of a directory stay in one worker: where they mainly wait,
    they leave the cores to others.

    Args:
        items: The tests; slow tests have the mark `slow`.
        workers: How many processes run them.
    """
    directories = defaultdict(list)
    others = []
    for item in items:
        if item.get_closest_marker("slow"):
            directories[item.path.parent].append(item)
        else:
            others.append(item)
    shares: list[list[pytest.Item]] = [[] for _ in range(workers)]
    for slow in directories.values():
        min(shares, key=len).extend(slow)

    ordered: list[pytest.Item] = []
    for number, share in enumerate(shares):
        end = len(items) * (number + 1) // workers
        count = max(0, end - len(ordered) - len(share))
        ordered += [*share, *others[:count]]
        others = others[count:]
    return ordered + others


@pytest.fixture(scope="session", autouse=True)
def offline_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps W&B offline and in a temporary directory, here and in processes started by tests.

    Its server address leads nowhere, so that a run which is online by mistake fails.
    """
    directory = tmp_path_factory.mktemp("wandb")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("WANDB_")]:
            patch.delenv(name)
        patch.setenv("WANDB_MODE", "offline")
        patch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
        patch.setenv("WANDB_API_KEY", "0" * 40)
        patch.setenv("WANDB_SILENT", "true")
        patch.setenv("WANDB_ERROR_REPORTING", "false")
        # To list the installed packages takes most of the time of a small run.
        patch.setenv("WANDB__SAVE_REQUIREMENTS", "false")
        patch.setenv("WANDB__DISABLE_STATS", "true")
        for name in ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
            patch.setenv(name, str(directory))
        yield
        end_interpreters()
        end_client()


@pytest.fixture(scope="session", autouse=True)
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keeps what JAX compiles: many a test trains the same model several times."""
    if os.environ.get("KERAS_BACKEND") != "jax":
        return
    import jax

    for setting, value in {
        "compilation_cache_dir": str(tmp_path_factory.mktemp("compiled")),
        "persistent_cache_min_compile_time_secs": 0.0,
        "persistent_cache_min_entry_size_bytes": -1,
    }.items():
        jax.config.update(f"jax_{setting}", value)  # type: ignore[no-untyped-call]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuses every connection that would leave this machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(address[0]):
            raise ConnectionRefusedError(f"Tests must not connect to {address!r}.")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def no_disabled_run() -> Iterator[None]:
    """Ends a disabled run that a test has left active: wandb's `with` does not (0.31)."""
    yield
    if wandb.run is not None and wandb.run.disabled:
        wandb.run.finish()


@pytest.fixture
def offline_run(tmp_path: Path) -> Iterator[StartRun]:
    """Starts offline runs whose files lie below `tmp_path`; finishes what the test left open."""
    runs = []

    def start(**arguments: Any) -> wandb.Run:
        run = wandb.init(**{"project": "test", "mode": "offline", "dir": tmp_path, **arguments})
        runs.append(run)
        return run

    yield start
    for run in runs:
        run.finish()


@pytest.fixture
def read_back() -> Callable[[wandb.Run], RunFile]:
    """Finishes a run and returns what it has written."""

    def read(run: wandb.Run) -> RunFile:
        run.finish()
        return read_run(Path(run.settings.sync_dir))

    return read


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
