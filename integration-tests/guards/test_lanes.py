"""The lanes of the suite, and what installing wk changes where people have everything already."""

import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

from guards.workspace import ROOT, copy_workspace, members, read_toml, replace, run

pytestmark = pytest.mark.backend_free

TABLE: Final = read_toml(ROOT / ".ci/lanes.toml")
LANES: Final = TABLE["lanes"]
WITH_LIST: Final = sorted(name for name, lane in LANES.items() if "constraints" in lane)


def install(root: Path, lane: str) -> subprocess.CompletedProcess:
    """Looks for versions with which all members can be installed where a lane's list is.

    The versions of the list are constraints: what is installed with wk replaces none of them.
    """
    wanted = [member / "pyproject.toml" for member in members(root)]
    constraints = root / ".ci/constraints" / LANES[lane]["constraints"]
    options = ["--no-header", "--no-annotate", "--python-version", LANES[lane]["python"]]
    command = ["uv", "pip", "compile", "--quiet", *options, "--constraint", constraints, *wanted]
    return run(*command, cwd=root)


@pytest.mark.parametrize("lane", WITH_LIST)
def test_installing_replaces_nothing(lane: str) -> None:
    result = install(ROOT, lane)
    assert result.returncode == 0, result.stdout
    listed = (ROOT / ".ci/constraints" / LANES[lane]["constraints"]).read_text().splitlines()
    installed = {line for line in result.stdout.splitlines() if line.startswith(("keras", "wandb"))}
    assert len(installed) == 2
    assert installed <= set(listed)


def test_floor_above_what_is_there_goes_red(tmp_path: Path) -> None:
    root = copy_workspace(tmp_path)
    replace(root / "packages/wk-core/pyproject.toml", "keras>=3.10", "keras>=3.15")
    result = install(root, WITH_LIST[0])
    assert result.returncode != 0
    assert "keras>=3.15" in result.stdout


def test_every_lane_runs_tests_that_there_are() -> None:
    for name, lane in LANES.items():
        assert set(lane["runs"]) <= {"jax", "tensorflow", "torch"}, name
        assert set(lane["runs"].values()) <= TABLE["tests"].keys(), name
    for path in (path for paths in TABLE["tests"].values() for path in paths):
        assert (ROOT / path).exists(), path


def test_the_suite_runs_whole_on_tensorflow_and_jax() -> None:
    assert TABLE["tests"]["all"] == []  # what pytest's `testpaths` says
    assert LANES["locked"]["runs"] == {"tensorflow": "all", "jax": "all"}


def test_the_page_shows_every_lane() -> None:
    page = (ROOT / "docs/pages/compatibility.md").read_text()
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == LANES.keys()
