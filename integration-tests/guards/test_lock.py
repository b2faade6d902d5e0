from pathlib import Path

import pytest

from guards.workspace import copy_workspace, replace, run_on

pytestmark = pytest.mark.backend_free


def test_lock_is_green(tmp_path: Path) -> None:
    result = run_on(copy_workspace(tmp_path), "uv", "lock", "--check")
    assert result.returncode == 0, result.stdout


def test_stale_lock_goes_red(tmp_path: Path) -> None:
    root = copy_workspace(tmp_path)
    replace(root / "packages/wk-core/pyproject.toml", '"wandb>=0.25"', '"wandb>=0.30"')
    result = run_on(root, "uv", "lock", "--check")
    assert result.returncode != 0
    assert "needs to be updated" in result.stdout
