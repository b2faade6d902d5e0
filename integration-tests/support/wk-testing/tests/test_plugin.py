"""The plugin is installed, and failures in the helpers show what was compared."""

import ast
import importlib.util
from pathlib import Path

import pytest

import wandb_loopback
import wk_testing

pytestmark = pytest.mark.backend_free


def modules_with_asserts(package):
    """Returns the names of a package's modules in which something is asserted."""
    root = Path(package.__file__).parent
    return {
        ".".join([package.__name__, *path.relative_to(root).with_suffix("").parts])
        for path in root.rglob("*.py")
        if any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(path.read_text())))
    }


@pytest.mark.parametrize("package", [wk_testing, wandb_loopback])
def test_asserts_of_helpers_are_rewritten(package):
    names = modules_with_asserts(package)
    assert names
    for name in names:
        assert "@pytest_ar" in vars(importlib.import_module(name)), name


def test_asserts_are_found(tmp_path):
    package = tmp_path / "planted"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "plain.py").write_text("x = 1\n")
    (package / "helper.py").write_text("def check(x):\n    assert x\n")
    spec = importlib.util.spec_from_file_location("planted", package / "__init__.py")
    assert modules_with_asserts(importlib.util.module_from_spec(spec)) == {"planted.helper"}


@pytest.mark.parametrize("name", ["wk_testing", "wandb_loopback"])
def test_plugin_is_installed(name, pytestconfig):
    assert pytestconfig.pluginmanager.has_plugin(name)
