"""The folders of a package: few enough modules side by side, and none too small to stand alone."""

import ast
from pathlib import Path

import pytest

from guards.workspace import ROOT, import_name, members, source

pytestmark = pytest.mark.backend_free

MOST_SIDE_BY_SIDE = 16
FEWEST_LINES = 40
# Folders with one module for each backend, or for each flavour of Keras.
ONE_EACH = {"backends", "differentiation", "numerics", "v2", "v3"}


def imported_modules(path: Path) -> set[str]:
    """Returns the full names of the modules that a file imports, or takes names from."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def crowded_folders(package: Path) -> list[str]:
    """Lists the folders of a package with too many modules side by side."""
    folders = [package, *(path for path in package.rglob("*") if path.is_dir())]
    counts = {folder: len(list(folder.glob("[!_]*.py"))) for folder in folders}
    return [
        f"{folder.relative_to(package.parent)} has {count} modules side by side"
        for folder, count in counts.items()
        if count > MOST_SIDE_BY_SIDE
    ]


def lonely_modules(packages: list[Path]) -> list[str]:
    """Lists the small modules that only one other module imports."""
    modules = {
        path: name_of(path, package) for package in packages for path in package.rglob("*.py")
    }
    imports = {path: imported_modules(path) for path in modules}
    found = []
    for path, name in modules.items():
        if path.stem == "__init__" or path.parent.name in ONE_EACH:
            continue
        importers = [other for other, names in imports.items() if name in names and other != path]
        lines = len(path.read_text().splitlines())
        if lines < FEWEST_LINES and len(importers) == 1:
            found.append(f"{name} has {lines} lines, and only {modules[importers[0]]} imports it")
    return found


def name_of(path: Path, package: Path) -> str:
    """Returns the full name of a module."""
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("member", members(), ids=import_name)
def test_no_folder_is_crowded(member: Path) -> None:
    assert crowded_folders(source(member)) == []


def test_no_module_is_lonely() -> None:
    assert lonely_modules([source(member) for member in members(ROOT)]) == []


def test_crowded_folder_goes_red(tmp_path: Path) -> None:
    folder = tmp_path / "wk_new/inner"
    folder.mkdir(parents=True)
    for number in range(MOST_SIDE_BY_SIDE + 1):
        (folder / f"module_{number}.py").touch()
    (folder / "__init__.py").touch()
    assert crowded_folders(tmp_path / "wk_new") == ["wk_new/inner has 17 modules side by side"]


def test_lonely_module_goes_red(tmp_path: Path) -> None:
    package = tmp_path / "wk_new"
    package.mkdir()
    (package / "small.py").write_text("x = 1\n")
    (package / "user.py").write_text("from wk_new.small import x\n" + "\n" * FEWEST_LINES)
    (package / "shared.py").write_text("y = 1\n")
    (package / "other.py").write_text("from wk_new import shared\n" + "\n" * FEWEST_LINES)
    (package / "third.py").write_text("import wk_new.shared\n" + "\n" * FEWEST_LINES)
    assert lonely_modules([package]) == [
        "wk_new.small has 1 lines, and only wk_new.user imports it"
    ]
