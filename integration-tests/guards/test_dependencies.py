from pathlib import Path

import pytest

from guards.workspace import copy_workspace, replace, run_on

pytestmark = pytest.mark.backend_free


def check(root: Path) -> tuple[int, str]:
    result = run_on(root, ".ci/check-dependencies")
    return result.returncode, result.stdout


def test_declared_dependencies_are_green(tmp_path: Path) -> None:
    code, output = check(copy_workspace(tmp_path))
    assert code == 0, output


@pytest.mark.parametrize(
    "package",
    [
        "packages/wk-metrics/src/wk_metrics",
        "integration-tests/support/wandb-loopback/src/wandb_loopback",
    ],
)
def test_undeclared_dependency_goes_red(tmp_path: Path, package: str) -> None:
    root = copy_workspace(tmp_path)
    with (root / package / "__init__.py").open("a") as file:
        file.write("\nimport PIL\n")
    code, output = check(root)
    assert code != 0
    assert "'PIL' imported but" in output


def test_unused_dependency_goes_red(tmp_path: Path) -> None:
    root = copy_workspace(tmp_path)
    replace(
        root / "packages/wk-core/pyproject.toml",
        "dependencies = [\n",
        'dependencies = [\n    "pillow",\n',
    )
    code, output = check(root)
    assert code != 0
    assert "'pillow' defined as a dependency but not used" in output


@pytest.mark.parametrize("dependency", ["keras", "wandb"])
def test_core_declares_what_it_brings(tmp_path: Path, dependency: str) -> None:
    root = copy_workspace(tmp_path)
    path = root / "packages/wk-core/pyproject.toml"
    path.write_text(
        "".join(
            line
            for line in path.read_text().splitlines(keepends=True)
            if not line.startswith(f'    "{dependency}>=')
        )
    )
    code, output = check(root)
    assert code != 0
    assert f"'{dependency}' imported but" in output
