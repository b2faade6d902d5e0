"""The public names: what `__all__` declares, what can be imported, what the reference documents.

A package's `__all__` names its public names. Where it is empty, its modules are the public parts,
and each has an `__all__` of its own.
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
    imported: set[str] = set()
    for node in body[1:]:
        match node:
            case ast.ImportFrom(names=aliases):
                imported |= {alias.asname or alias.name for alias in aliases}
            case ast.Assign(targets=[ast.Name("__all__")]):
                pass
            case ast.AnnAssign(target=ast.Name("__all__")):
                pass
            case _:
                found.append(f"line {node.lineno} is no import and no __all__")
    found += [f"{name} is imported but not in __all__" for name in imported - set(names)]
    found += [f"{name} is in __all__ but not imported" for name in set(names) - imported]
    if names != sorted(names):
        found.append("__all__ is not sorted")
    return found


@pytest.mark.backend_free
def test_all_equals_the_documented_names() -> None:
    assert faults(ROOT) == []


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
