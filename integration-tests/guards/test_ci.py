import re

import pytest

from guards.workspace import ROOT, read_toml, run

pytestmark = pytest.mark.backend_free

CHECKS = (ROOT / ".ci/checks").read_text()
LANE = (ROOT / ".ci/lane").read_text()
RUN = (ROOT / ".ci/run").read_text()


def test_ci_runs_the_readme_test_command() -> None:
    fences = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    commands = [line for fence in fences for line in fence.splitlines() if "pytest" in line]
    assert commands == ["uv run pytest"]
    assert '["uv", "run", "pytest"]' in LANE


def test_ci_runs_the_checks_and_every_lane() -> None:
    assert re.findall(r"\.ci/[a-z]+(?: --list [a-z-]+)?", RUN.partition("\ncd ")[2]) == [
        ".ci/checks",
        ".ci/lane --list required",
        ".ci/lane",
        ".ci/lane --list may-fail",
        ".ci/lane",
        ".ci/compatibility",
    ]
    lists = [run(".ci/lane", "--list", kind).stdout for kind in ("required", "may-fail")]
    assert {*"".join(lists).split()} == read_toml(ROOT / ".ci/lanes.toml")["lanes"].keys()


@pytest.mark.parametrize(
    "guard",
    [
        "uv lock --check",
        "uv run ruff check",
        "uv run ruff format --check",
        "uv run mypy",
        "uv run lint-imports",
        ".ci/check-dependencies",
        "uv run zensical build --strict",
    ],
)
def test_ci_runs_the_guard(guard: str) -> None:
    assert f"step {guard}" in CHECKS


@pytest.mark.parametrize("name", ["ci", "lanes", "nightly"])
def test_workflows_run_what_can_be_run_by_hand(name: str) -> None:
    workflow = (ROOT / f".github/workflows/{name}.yml").read_text()
    assert all((ROOT / command).exists() for command in re.findall(r"\s(\.ci/\w+)", workflow))
    assert "pytest" not in workflow
