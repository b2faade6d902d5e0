import ast
import inspect
import re
from pathlib import Path

import pytest

from guards.workspace import ROOT, copy_workspace, import_name, members, read_toml, replace, run_on
from wk_legacy import WandbCallback

pytestmark = pytest.mark.backend_free

ALL_FIVE = ["wk_core", "wk_metrics", "wk_checkpoint", "wk_eval", "wk_legacy"]
# Not ours: root packages, so that import-linter knows their private modules from their public ones.
OTHERS = {"jax", "keras", "tf_keras", "wandb"}
INTERNAL = re.compile(r"wk_(?!core|legacy)\w+\.")  # a module of a sibling, seen from wk_legacy


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """The workspace with the members to come, as empty packages."""
    root = copy_workspace(tmp_path)
    for name in ALL_FIVE:
        member = root / "packages" / name.replace("_", "-")
        if not member.exists():
            package = member / "src" / name
            package.mkdir(parents=True)
            (package / "__init__.py").touch()
            (member / "pyproject.toml").touch()
    return root


def lint(root: Path, module: str = "", planted: str = "") -> tuple[int, str]:
    if planted:
        package, _, name = module.partition(".")
        path = root / "packages" / package.replace("_", "-") / "src" / package
        with (path / f"{name.replace('.', '/') or '__init__'}.py").open("a") as file:
            file.write(f"\n{planted}\n")
    result = run_on(root, "lint-imports", "--no-cache")
    return result.returncode, result.stdout


def test_every_member_is_linted() -> None:
    config = read_toml(ROOT / "pyproject.toml")["tool"]["importlinter"]
    names = {import_name(member) for member in members()}
    assert set(config["root_packages"]) == names | OTHERS
    layers, *forbidden = config["contracts"]
    assert len(forbidden) == 2
    assert all(set(contract["source_modules"]) == names for contract in forbidden)
    assert {name.strip("()") for layer in layers["layers"] for name in layer.split(" | ")} >= names


def test_allowed_arrows_are_green(workspace: Path) -> None:
    planted = "import wk_checkpoint, wk_core, wk_eval, wk_metrics"
    code, output = lint(workspace, "wk_legacy", planted)
    assert code == 0, output


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("wk_core", "wk_metrics"),
        ("wk_core", "wk_legacy"),
        ("wk_eval", "wk_metrics"),
        ("wk_metrics", "wk_checkpoint"),
        ("wk_metrics", "wk_legacy"),
    ],
)
def test_wrong_arrow_goes_red(workspace: Path, importer: str, imported: str) -> None:
    code, output = lint(workspace, importer, f"import {imported}")
    assert code != 0
    assert f"{importer} -> {imported}" in output


@pytest.mark.parametrize("backend", ["jax", "tensorflow", "torch"])
def test_backend_in_an_unnamed_module_goes_red(workspace: Path, backend: str) -> None:
    code, output = lint(workspace, "wk_core.axes", f"def f():\n    import {backend}.x")
    assert code != 0
    assert f"wk_core.axes -> {backend}" in output


def test_backend_in_a_named_module_is_green(workspace: Path) -> None:
    contract = read_toml(ROOT / "pyproject.toml")["tool"]["importlinter"]["contracts"][1]
    for named in contract["ignore_imports"]:
        module, backend = named.split(" -> ")
        module = module.replace("*", "basics")
        imported = backend.replace(".**", ".multihost_utils") if "*" in backend else f"{backend}.x"
        planted = f"def g():\n    import {imported}"
        package, _, name = module.partition(".")
        path = workspace / "packages" / package.replace("_", "-") / "src" / package
        with (path / f"{name.replace('.', '/')}.py").open("a") as file:
            file.write(f"\n{planted}\n")
    code, output = lint(workspace)
    assert code == 0, output


def test_named_module_without_a_backend_goes_red(workspace: Path) -> None:
    replace(
        workspace / "pyproject.toml",
        'ignore_imports = [\n    "wk_checkpoint',
        'ignore_imports = [\n    "wk_core.axes -> jax",\n    "wk_checkpoint',
    )
    code, output = lint(workspace)
    assert code != 0
    assert "No matches for ignored import wk_core.axes -> jax" in output


PRIVATE = ["import wandb.sdk.wandb_run", "from keras.src import backend"]


@pytest.mark.parametrize("planted", PRIVATE)
def test_private_module_goes_red(workspace: Path, planted: str) -> None:
    code, output = lint(workspace, "wk_core.axes", planted)
    assert code != 0
    assert f"wk_core.axes -> {planted.split()[1]}" in output


def test_private_module_in_its_places_is_green(workspace: Path) -> None:
    for module in ("wk_core.compat.processes", "wk_eval.tables.wandb_internals"):
        for planted in PRIVATE[:-1]:
            code, output = lint(workspace, module, planted)
            assert code == 0, output
    code, output = lint(workspace, "wk_core.compat.keras.saving", PRIVATE[-1])
    assert code == 0, output


def internals_of_siblings(package: Path) -> set[str]:
    """Returns the names that wk_legacy imports from modules of its siblings, not of wk_core."""
    return {
        f"{node.module}.{alias.name}"
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
        and re.match(r"wk_(?!core|legacy)\w+\.", node.module or "")
        for alias in node.names
    }


def test_wk_legacy_uses_fewer_internals_than_its_callback_has_arguments() -> None:
    arguments = inspect.signature(WandbCallback).parameters
    assert len(internals_of_siblings(ROOT / "packages/wk-legacy/src")) <= len(arguments)


def test_internals_are_counted(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(
        "from wk_core.axes import define_axis\n"
        "from wk_eval import ClassificationEval\n"
        "from wk_eval.images import PixelRange, encode_png\n"
        "from wk_legacy.arguments import Arguments\n"
    )
    assert internals_of_siblings(tmp_path) == {
        "wk_eval.images.PixelRange",
        "wk_eval.images.encode_png",
    }
