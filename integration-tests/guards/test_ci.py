import re

import pytest

from guards.workspace import ROOT

pytestmark = pytest.mark.backend_free

SCRIPT = (ROOT / ".ci/run").read_text()


def test_ci_runs_the_readme_test_command() -> None:
    fences = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    commands = [line for fence in fences for line in fence.splitlines() if "pytest" in line]
    assert commands == ["uv run pytest"]
    assert re.search(r"uv run pytest$", SCRIPT, re.MULTILINE)


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_ci_runs_on_the_backend(backend: str) -> None:
    assert f"KERAS_BACKEND={backend} uv run pytest" in SCRIPT


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
    assert f"step {guard}" in SCRIPT


def test_workflow_runs_the_script_and_nothing_else() -> None:
    workflow = (ROOT / ".github/workflows/ci.yml").read_text()
    assert re.findall(r"run: (.*)", workflow) == ["bash .ci/run"]
    assert "run: |" not in workflow
