from pathlib import Path

import pytest

from guards.workspace import ROOT, copy_workspace, members, read_toml, run_on, source, support

pytestmark = pytest.mark.backend_free


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the workspace, in which mypy remembers what others' modules say."""
    return copy_workspace(tmp_path_factory.mktemp("workspace"))


def check(root: Path, module: str, planted: str) -> tuple[int, str]:
    path = root / "packages/wk-core/src/wk_core" / module
    path.write_text(planted)
    # The planted module alone: the whole workspace is .ci/run's.
    result = run_on(root, "mypy", "--cache-dir", root / "cache", path)
    return result.returncode, result.stdout


@pytest.mark.parametrize(
    ("planted", "code"),
    [
        ("def double(x):\n    return 2 * x\n", "no-untyped-def"),
        ("def double(x: int) -> str:\n    return 2 * x\n", "return-value"),
        ("def names() -> list:\n    return []\n", "type-arg"),
    ],
)
def test_fault_goes_red(workspace: Path, planted: str, code: str) -> None:
    status, output = check(workspace, "planted.py", planted)
    assert status != 0
    assert f"[{code}]" in output


def test_typed_module_is_green(workspace: Path) -> None:
    planted = "def double(x: int) -> int:\n    return 2 * x\n"
    status, output = check(workspace, "planted.py", planted)
    assert status == 0, output


def test_every_member_is_checked() -> None:
    checked = {
        path
        for glob in read_toml(ROOT / "pyproject.toml")["tool"]["mypy"]["files"]
        for path in ROOT.glob(glob)
    }
    for member in [*members(), *support()]:
        assert checked & {*source(member).parents}, member.name
