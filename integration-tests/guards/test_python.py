"""The Pythons that the workspace admits, on a machine where uv has to fetch one."""

import re
from pathlib import Path
from typing import Final

import pytest

from guards.workspace import ROOT, copy_workspace, members, read_toml, replace, run_on

pytestmark = pytest.mark.backend_free

# The newest that uv may fetch for who has none; it fetches the newest that is admitted.
NEWEST: Final = 20


def admitted(root: Path) -> set[str]:
    """Returns the Pythons that the lock is for, as `"3.11"`."""
    bounds = read_toml(root / "uv.lock")["requires-python"]
    least, below = re.fullmatch(r">=3\.(\d+)(?:, <3\.(\d+))?", bounds).groups()
    return {f"3.{minor}" for minor in range(int(least), int(below or NEWEST))}


def without_wheel(root: Path, package: str) -> set[str]:
    """Returns the admitted Pythons for which a locked package has no wheel on Linux."""
    (locked,) = [one for one in read_toml(root / "uv.lock")["package"] if one["name"] == package]
    files = [wheel["url"].rpartition("/")[2] for wheel in locked["wheels"]]
    tags = [re.search(r"-cp3(\d+)-.*manylinux.*x86_64", file) for file in files]
    return admitted(root) - {f"3.{tag[1]}" for tag in tags if tag is not None}


@pytest.mark.parametrize("package", ["tensorflow", "h5py"])
def test_every_admitted_python_has_a_wheel(package: str) -> None:
    assert without_wheel(ROOT, package) == set()


def test_the_suite_runs_on_every_admitted_python() -> None:
    lanes = read_toml(ROOT / ".ci/lanes.toml")["lanes"].values()
    assert {lane["python"] for lane in lanes} == admitted(ROOT)


def test_uv_is_free_to_take_any_admitted_python() -> None:
    assert not (ROOT / ".python-version").exists()


def test_members_name_the_admitted_pythons_and_have_no_upper_bound() -> None:
    named = {f"Programming Language :: Python :: {version}" for version in admitted(ROOT)}
    for member in members():
        project = read_toml(member / "pyproject.toml")["project"]
        assert project["requires-python"] == ">=3.11", member.name
        classifiers = {each for each in project["classifiers"] if ":: Python :: 3." in each}
        assert classifiers == named, member.name


def test_a_python_without_wheels_goes_red(tmp_path: Path) -> None:
    root = copy_workspace(tmp_path)
    replace(root / "uv.lock", 'requires-python = ">=3.11, <3.14"', 'requires-python = ">=3.11"')
    assert "3.14" in without_wheel(root, "tensorflow")


def test_the_bound_is_the_roots(tmp_path: Path) -> None:
    root = copy_workspace(tmp_path)
    replace(
        root / "pyproject.toml", 'requires-python = ">=3.11, <3.14"', 'requires-python = ">=3.11"'
    )
    result = run_on(root, "uv", "lock", "--check")
    assert result.returncode != 0
