from pathlib import Path

import pytest

from guards.workspace import import_name, members, run, source

pytestmark = pytest.mark.backend_free

TOP_LEVEL = {
    ".ci",
    ".github",
    ".gitignore",
    ".python-version",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "docs",
    "examples",
    "integration-tests",
    "packages",
    "pyproject.toml",
    "uv.lock",
}


def skeleton_faults(member: Path) -> list[str]:
    """Lists what a member lacks of the skeleton that all share."""
    package = source(member)
    wanted = [
        member / "pyproject.toml",
        member / "README.md",
        member / "tests",
        package / "__init__.py",
        package / "py.typed",
    ]
    return [str(path.relative_to(member)) for path in wanted if not path.exists()]


def test_top_level_holds_nothing_else() -> None:
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard")
    assert {path.partition("/")[0] for path in listed.stdout.splitlines()} <= TOP_LEVEL


@pytest.mark.parametrize("member", members(), ids=import_name)
def test_member_has_the_skeleton(member: Path) -> None:
    assert skeleton_faults(member) == []


def test_incomplete_member_goes_red(tmp_path: Path) -> None:
    member = tmp_path / "wk-new"
    (member / "src/wk_new").mkdir(parents=True)
    (member / "src/wk_new/__init__.py").touch()
    (member / "tests").mkdir()
    assert skeleton_faults(member) == ["pyproject.toml", "README.md", "src/wk_new/py.typed"]
