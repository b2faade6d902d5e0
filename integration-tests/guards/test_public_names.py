"""The public names: what `__all__` declares, what can be imported, what the reference documents.

A package's `__all__` names its public names. Where it is empty, its modules are the public parts,
and each has an `__all__` of its own. A package may import its names on use: then its `_MODULES` say
where each name is, and its `__getattr__` looks there.
"""

import ast
import importlib
import re
from pathlib import Path

import pytest

from guards.workspace import (
    ROOT,
    copy_workspace,
    declared_all,
    import_name,
    members,
    replace,
    source,
)

MEMBERS = [member.name for member in members()]
# `::: wk_core.resolve_run` takes a docstring in; `## name { #wk_core.name }` stands for a name that
# has none.
DOCUMENTED = re.compile(r"^(?:::: |#+ .*\{ #)(wk_[\w.]+)", re.MULTILINE)


def public_names(member: Path) -> set[str]:
    """Returns the full names of everything public in a member."""
    package = source(member)
    names = declared_all(package / "__init__.py")
    assert names is not None, f"{import_name(member)} declares no __all__"
    if names:
        return {f"{import_name(member)}.{name}" for name in names}
    public = set()
    for module in package.glob("[!_]*.py"):
        name = f"{import_name(member)}.{module.stem}"
        names = declared_all(module)
        assert names is not None, f"{name} declares no __all__"
        public |= {f"{name}.{found}" for found in names}
    return public


def documented_names(member: Path, root: Path) -> set[str]:
    """Returns the full names that a member's reference page documents."""
    page = root / "docs/pages/reference" / f"{member.name}.md"
    return set(DOCUMENTED.findall(page.read_text()))


def faults(root: Path) -> list[str]:
    """Lists public names without documentation, and documented names that are not public."""
    found = []
    for member in members(root):
        public, documented = public_names(member), documented_names(member, root)
        found += [f"{name} is not documented" for name in sorted(public - documented)]
        found += [f"{name} is not public" for name in sorted(documented - public)]
    return found


def init_faults(init: Path) -> list[str]:
    """Lists what an `__init__.py` has beside its docstring, imports and a true `__all__`."""
    body = ast.parse(init.read_text()).body
    names = declared_all(init) or []
    found = []
    imported: dict[str, str] = {}
    modules: dict[str, str] | None = None
    is_lazy = False
    for node in body[1:]:
        match node:
            case ast.ImportFrom(module="importlib" | "typing"):
                pass
            case ast.ImportFrom():
                imported |= modules_by_name(node)
            case ast.Assign(targets=[ast.Name("__all__")]):
                pass
            case ast.AnnAssign(target=ast.Name("__all__")):
                pass
            case ast.If(test=ast.Name("TYPE_CHECKING"), body=inner, orelse=[]) if all(
                isinstance(each, ast.ImportFrom) for each in inner
            ):
                for each in inner:
                    imported |= modules_by_name(each)
            case ast.Assign(targets=[ast.Name("_MODULES")], value=value):
                modules = ast.literal_eval(value)
            case ast.FunctionDef(name="__getattr__"):
                is_lazy = True
            case _:
                found.append(f"line {node.lineno} is no import and no __all__")
    found += [f"{name} is imported but not in __all__" for name in sorted({*imported} - {*names})]
    found += [f"{name} is in __all__ but not imported" for name in sorted({*names} - {*imported})]
    if is_lazy != (modules is not None):
        found.append("there is one of _MODULES and __getattr__, and not the other")
    if modules is not None:
        full = {name: f"{init.parent.name}.{module}" for name, module in modules.items()}
        found += [
            f"{name} is in _MODULES as {full.get(name)}, and imported as {imported.get(name)}"
            for name in sorted(full.keys() | imported.keys())
            if full.get(name) != imported.get(name)
        ]
    if names != sorted(names):
        found.append("__all__ is not sorted")
    return found


def modules_by_name(node: ast.ImportFrom) -> dict[str, str]:
    """Returns the module of each name that a statement imports."""
    return {alias.asname or alias.name: str(node.module) for alias in node.names}


def private_faults(root: Path) -> list[str]:
    """Lists what is exported or documented and defined below `wk_core.compat`."""
    found = []
    for member in members(root):
        modules = defining_modules(source(member) / "__init__.py")
        names = public_names(member) | documented_names(member, root)
        found += [
            f"{name} is defined in {where}"
            for name in sorted(names)
            if (where := modules.get(name.rpartition(".")[2], name)).startswith("wk_core.compat")
        ]
    return found


def defining_modules(init: Path) -> dict[str, str]:
    """Returns the modules that define the names which a package exports.

    A name that another package or an inner one hands on is followed to where it is defined.
    """
    found = {}
    for node in ast.walk(ast.parse(init.read_text())):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("wk_"):
            for alias in node.names:
                found[alias.asname or alias.name] = defined_in(
                    str(node.module), alias.name, init.parents[3]
                )
    return found


def defined_in(module: str, name: str, packages: Path) -> str:
    """Returns the module that defines a name which can be imported from a module."""
    member, *inner = module.split(".")
    path = packages / member.replace("_", "-") / "src" / member / "/".join(inner)
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    for node in ast.walk(ast.parse(path.read_text())) if path.exists() else ():
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("wk_"):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return defined_in(str(node.module), alias.name, packages)
    return module


@pytest.mark.backend_free
def test_all_equals_the_documented_names() -> None:
    assert faults(ROOT) == []


@pytest.mark.backend_free
def test_nothing_public_is_private_to_others() -> None:
    assert private_faults(ROOT) == []


@pytest.mark.parametrize("name", MEMBERS)
def test_public_names_can_be_imported(name: str) -> None:
    for public in public_names(ROOT / "packages" / name):
        module, _, attribute = public.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), public


@pytest.mark.backend_free
@pytest.mark.parametrize("name", MEMBERS)
def test_init_holds_imports_only(name: str) -> None:
    assert init_faults(source(ROOT / "packages" / name) / "__init__.py") == []


@pytest.mark.backend_free
def test_undocumented_name_goes_red(tmp_path: Path) -> None:
    root = copy_workspace(tmp_path)
    page = root / "docs/pages/reference/wk-metrics.md"
    replace(page, "::: wk_metrics.WandbMetricsLogger", "")
    assert faults(root) == ["wk_metrics.WandbMetricsLogger is not documented"]


@pytest.mark.backend_free
def test_documented_name_that_is_not_public_goes_red(tmp_path: Path) -> None:
    root = copy_workspace(tmp_path)
    with (root / "docs/pages/reference/wk-core.md").open("a") as file:
        file.write("\n::: wk_core.run.end_run\n")
    assert faults(root) == ["wk_core.run.end_run is not public"]


@pytest.mark.backend_free
def test_crowded_init_goes_red(tmp_path: Path) -> None:
    init = tmp_path / "__init__.py"
    init.write_text('"""Doc."""\n\nfrom a import b, c\n\nx = 1\n\n__all__ = ["d", "b"]\n')
    assert init_faults(init) == [
        "line 5 is no import and no __all__",
        "c is imported but not in __all__",
        "d is in __all__ but not imported",
        "__all__ is not sorted",
    ]


LAZY = """\
'''Doc.'''

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wk_new.a import b
    from wk_new.c.d import e

__all__ = ["b", "e"]

_MODULES = {"b": "a", "e": "c.d"}


def __getattr__(name: str) -> Any:
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
"""


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", "", []),
        (', "e": "c.d"', "", ["e is in _MODULES as None, and imported as wk_new.c.d"]),
        ('"c.d"', '"c"', ["e is in _MODULES as wk_new.c, and imported as wk_new.c.d"]),
        (', "e"]', "]", ["e is imported but not in __all__"]),
        (
            "    from wk_new.c.d import e\n",
            "",
            [
                "e is in __all__ but not imported",
                "e is in _MODULES as wk_new.c.d, and imported as None",
            ],
        ),
        (
            "def __getattr__",
            "def get",
            [
                "line 15 is no import and no __all__",
                "there is one of _MODULES and __getattr__, and not the other",
            ],
        ),
    ],
)
def test_lazy_init(tmp_path: Path, old: str, new: str, expected: list[str]) -> None:
    init = tmp_path / "wk_new/__init__.py"
    init.parent.mkdir()
    init.write_text(LAZY.replace(old, new) if old else LAZY)
    assert init_faults(init) == expected


@pytest.mark.backend_free
def test_name_that_stands_on_private_parts_goes_red(tmp_path: Path) -> None:
    root = copy_workspace(tmp_path)
    page = root / "docs/pages/reference/wk-core.md"
    with page.open("a") as file:
        file.write("\n::: wk_core.compat.entries.find\n")
    package = root / "packages/wk-core/src/wk_core"
    imported = "from wk_core.run import"
    replace(package / "__init__.py", f"{imported} ", f"{imported} has_finished, ")
    replace(package / "__init__.py", "__all__ = [", '__all__ = [\n    "has_finished",')
    with (package / "run.py").open("a") as file:
        file.write("\nfrom wk_core.compat.wandb.run_hooks import has_finished\n")
    assert private_faults(root) == [
        "wk_core.compat.entries.find is defined in wk_core.compat.entries.find",
        "wk_core.has_finished is defined in wk_core.compat.wandb.run_hooks",
    ]
