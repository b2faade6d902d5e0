from pathlib import Path

import pytest

from guards.workspace import ROOT, copy_workspace, members, read_toml, replace, run_on, support

pytestmark = pytest.mark.backend_free

TESTING = "integration-tests/support/wk-testing"


def faults(root: Path) -> list[str]:
    """Lists the versions that differ from the root's, and the published members' pins that do."""
    version = read_toml(root / "pyproject.toml")["project"]["version"]
    found = []
    for member in [*members(root), *support(root)]:
        project = read_toml(member / "pyproject.toml")["project"]
        if project.get("version") != version:
            found.append(f"{member.name} has version {project.get('version')}, not {version}")
    for member in members(root):
        project = read_toml(member / "pyproject.toml")["project"]
        requirements = project["dependencies"] + [
            requirement
            for extra in project.get("optional-dependencies", {}).values()
            for requirement in extra
        ]
        found += [
            f"{member.name} requires {requirement}, not =={version}"
            for requirement in requirements
            if requirement.startswith("wk-") and not requirement.endswith(f"=={version}")
        ]
    names = {"wk-workspace", *(member.name for member in [*members(root), *support(root)])}
    locked = {
        package["name"]: package["version"]
        for package in read_toml(root / "uv.lock")["package"]
        if package["name"] in names
    }
    found += [
        f"uv.lock has {name} {locked_version}, not {version}"
        for name, locked_version in locked.items()
        if locked_version != version
    ]
    return found


def test_versions_agree() -> None:
    assert faults(ROOT) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "fault"),
    [
        ("packages/wk-core", '\nversion = "', '\nversion = "9', "wk-core has version 9"),
        ("packages/wk-metrics", "wk-core==", "wk-core>=", "wk-metrics requires wk-core>="),
        (TESTING, '\nversion = "', '\nversion = "9', "wk-testing has version 9"),
        (".", '\nversion = "', '\nversion = "9', "uv.lock has wk-core"),
    ],
)
def test_disagreement_goes_red(tmp_path: Path, file: str, old: str, new: str, fault: str) -> None:
    root = copy_workspace(tmp_path)
    replace(root / file / "pyproject.toml", old, new)
    assert any(fault in found for found in faults(root)), faults(root)


def test_set_version_sets_them_all(tmp_path: Path) -> None:
    root = copy_workspace(tmp_path)
    result = run_on(root, ".ci/set-version", "12.3.4rc1")
    assert result.returncode == 0, result.stdout
    assert read_toml(root / "pyproject.toml")["project"]["version"] == "12.3.4rc1"
    assert faults(root) == []
    check = run_on(root, "uv", "lock", "--check")
    assert check.returncode == 0, check.stdout


def test_set_version_refuses_what_is_no_version(tmp_path: Path) -> None:
    root = copy_workspace(tmp_path)
    result = run_on(root, ".ci/set-version", "next")
    assert result.returncode != 0
    assert "Received: ['next']" in result.stdout
    assert faults(root) == []
