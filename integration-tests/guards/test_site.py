from pathlib import Path

import pytest

from guards.workspace import copy_workspace, members, read_toml, run_on

pytestmark = pytest.mark.backend_free


def build(root: Path) -> tuple[int, str]:
    config = ("--config-file", "docs/zensical.toml")
    result = run_on(root, "zensical", "build", "--strict", "--clean", *config)
    return result.returncode, result.stdout


@pytest.mark.parametrize(
    ("planted", "telling"),
    [
        ("See [the rest](nowhere.md).", "page does not exist"),
        ("See [the rest](index.md#nowhere).", "anchor"),
        ("See [the rest][wk_core.nowhere].", "unresolved"),
        ("::: wk_core.nowhere", "wk_core.nowhere could not be found"),
    ],
)
def test_broken_reference_goes_red(tmp_path: Path, planted: str, telling: str) -> None:
    root = copy_workspace(tmp_path)
    with (root / "docs/pages/backends.md").open("a") as file:
        file.write(f"\n{planted}\n")
    code, output = build(root)
    assert code != 0
    assert telling in output


def test_site_holds_the_docstrings(tmp_path: Path) -> None:
    root = copy_workspace(tmp_path)
    code, output = build(root)
    assert code == 0, output
    page = (root / "docs/site/reference/wk-metrics/index.html").read_text()
    assert "log_freq" in page
    assert "initial_global_step" in page


def test_every_page_is_in_the_navigation(tmp_path: Path) -> None:
    root = copy_workspace(tmp_path)
    pages = root / "docs/pages"

    def listed(entry: object) -> set[str]:
        match entry:
            case str():
                return {entry}
            case dict():
                return listed(list(entry.values()))
            case list():
                return set().union(*map(listed, entry))
        raise TypeError(entry)

    navigation = listed(read_toml(root / "docs/zensical.toml")["project"]["nav"])
    assert navigation == {str(path.relative_to(pages)) for path in pages.rglob("*.md")}
    names = {member.name for member in members(root)}
    assert {f"packages/{name}.md" for name in names} <= navigation
    assert {f"reference/{name}.md" for name in names} <= navigation
    sources = read_toml(root / "docs/zensical.toml")["project"]["plugins"]["mkdocstrings"]
    assert sources["handlers"]["python"]["paths"] == [
        f"../packages/{member.name}/src" for member in members(root)
    ]
