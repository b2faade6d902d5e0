"""What is private to others: touched in `wk_core.compat` and one file of `wk_eval` only.

import-linter sees the imports. This sees the rest: attributes that begin with an underscore and
are none of wk's own, and import paths in strings.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from guards.workspace import ROOT, copy_workspace, members, run, source

pytestmark = pytest.mark.backend_free

PRIVATE_PATH = re.compile(r"\b(wandb\.(sdk|_\w+)|(tf_)?keras\.src|jax\._src|tensorflow\.python)\b")
ALLOWED = ("wk_core/compat/", "wk_eval/tables/wandb_internals.py")
PRIVATE_NAME = re.compile(r"_(?!replace$|asdict$|fields$|make$)[a-zA-Z]\w*")  # not a namedtuple's


def own_names(trees: list[ast.Module]) -> set[str]:
    """Returns every private name that wk defines itself."""
    names = set()
    for tree in trees:
        for node in ast.walk(tree):
            match node:
                case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                    names.add(name)
                case ast.Name(id=name, ctx=ast.Store()):
                    names.add(name)
                case ast.Attribute(value=ast.Name("self" | "cls"), attr=name, ctx=ast.Store()):
                    names.add(name)
    return {name for name in names if PRIVATE_NAME.fullmatch(name)}


def touched(tree: ast.Module, own: set[str]) -> Iterator[tuple[int, str]]:
    """Yields the lines of a module that touch something private, with what they touch."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name) if PRIVATE_NAME.fullmatch(name) and name not in own:
                yield node.lineno, f"._{name.removeprefix('_')}"
            case ast.Constant(value=str(text)) if PRIVATE_PATH.search(text):
                yield node.lineno, repr(text)
            case ast.Call(
                func=ast.Name("getattr" | "hasattr" | "setattr"),
                args=[_, ast.Constant(value=str(name)), *_],
            ) if PRIVATE_NAME.fullmatch(name) and name not in own:
                yield node.lineno, repr(name)


def faults(root: Path) -> list[str]:
    """Lists the lines that touch private parts of others where they must not."""
    paths = {
        path.relative_to(source(member).parent).as_posix(): path
        for member in members(root)
        for path in sorted(source(member).rglob("*.py"))
    }
    trees = {name: ast.parse(path.read_text()) for name, path in paths.items()}
    own = own_names(list(trees.values()))
    return [
        f"{name}:{line} touches {what}"
        for name, tree in trees.items()
        if not name.startswith(ALLOWED)
        for line, what in touched(tree, own)
    ]


def test_private_parts_are_touched_in_their_places_only() -> None:
    assert faults(ROOT) == []


def test_private_attribute_goes_red(tmp_path: Path) -> None:
    root = copy_workspace(tmp_path)
    module = root / "packages/wk-core/src/wk_core/axes.py"
    lines = len(module.read_text().splitlines())
    with module.open("a") as file:
        file.write("\n\ndef hidden(run):\n    return run._backend_of_wandb\n")
    assert faults(root) == [f"wk_core/axes.py:{lines + 4} touches ._backend_of_wandb"]


def test_private_name_in_a_string_goes_red(tmp_path: Path) -> None:
    root = copy_workspace(tmp_path)
    module = root / "packages/wk-core/src/wk_core/axes.py"
    lines = len(module.read_text().splitlines())
    with module.open("a") as file:
        file.write('\n\ndef hidden(run):\n    return getattr(run, "_backend_of_wandb", None)\n')
    assert faults(root) == [f"wk_core/axes.py:{lines + 4} touches '_backend_of_wandb'"]


def test_private_path_in_a_string_goes_red(tmp_path: Path) -> None:
    root = copy_workspace(tmp_path)
    module = root / "packages/wk-core/src/wk_core/axes.py"
    lines = len(module.read_text().splitlines())
    with module.open("a") as file:
        file.write('\nHIDDEN = "keras.src.saving"\n')
    assert faults(root) == [f"wk_core/axes.py:{lines + 2} touches 'keras.src.saving'"]


def test_table_in_contributing_is_what_the_code_says() -> None:
    printed = run(ROOT / ".ci/compat-table")
    assert printed.returncode == 0, printed.stdout
    # TensorFlow's log has lines of its own.
    table = "\n".join(line for line in printed.stdout.splitlines() if line.startswith("|"))
    assert table.count("\n") > 10, printed.stdout
    assert table in (ROOT / "CONTRIBUTING.md").read_text()
