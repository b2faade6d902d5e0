from pathlib import Path

import pytest

from guards.workspace import (
    ROOT,
    copy_workspace,
    import_name,
    members,
    read_toml,
    replace,
    run,
    source,
    support,
)

pytestmark = pytest.mark.backend_free

# PyPI refuses what says this.
PRIVATE = "Private :: Do Not Upload"

TOP_LEVEL = {
    ".ci",
    ".github",
    ".gitignore",
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


@pytest.mark.parametrize("member", [*members(), *support()], ids=import_name)
def test_member_has_the_skeleton(member: Path) -> None:
    assert skeleton_faults(member) == []


def test_incomplete_member_goes_red(tmp_path: Path) -> None:
    member = tmp_path / "wk-new"
    (member / "src/wk_new").mkdir(parents=True)
    (member / "src/wk_new/__init__.py").touch()
    (member / "tests").mkdir()
    assert skeleton_faults(member) == ["pyproject.toml", "README.md", "src/wk_new/py.typed"]


def upload_faults(root: Path) -> list[str]:
    """Lists the members for tests that could be published, and the packages that could not."""

    def is_private(member: Path) -> bool:
        return PRIVATE in read_toml(member / "pyproject.toml")["project"]["classifiers"]

    open_ones = [member for member in support(root) if not is_private(member)]
    closed_ones = [member for member in members(root) if is_private(member)]
    return [
        *(f"{member.name} could be published" for member in open_ones),
        *(f"{member.name} cannot be published" for member in closed_ones),
    ]


def test_members_for_tests_alone_are_never_published() -> None:
    assert {member.name for member in support()} == {"wandb-loopback", "wk-testing"}
    assert upload_faults(ROOT) == []


def test_member_for_tests_that_could_be_published_goes_red(tmp_path: Path) -> None:
    root = copy_workspace(tmp_path)
    member = root / "integration-tests/support/wandb-loopback"
    replace(member / "pyproject.toml", f'"{PRIVATE}", ', "")
    replace(root / "packages/wk-core/pyproject.toml", '"Typing :: Typed"', f'"{PRIVATE}"')
    assert upload_faults(root) == [
        "wandb-loopback could be published",
        "wk-core cannot be published",
    ]
