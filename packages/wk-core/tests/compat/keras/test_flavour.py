"""The two flavours of Keras have the same names, functions and arguments."""

import ast
from pathlib import Path

import pytest

import wk_core.compat.keras

pytestmark = pytest.mark.backend_free

FOLDER = Path(wk_core.compat.keras.__file__).parent


def public_names(folder: Path) -> dict[str, str]:
    """Returns each module's public names, with the arguments of functions."""
    names = {}
    for path in sorted(folder.glob("*.py")):
        for node in ast.parse(path.read_text()).body:
            match node:
                case ast.FunctionDef(name=name, args=arguments) if not name.startswith("_"):
                    names[f"{path.stem}.{name}"] = ast.unparse(arguments)
                case ast.AnnAssign(target=ast.Name(name)) if not name.startswith("_"):
                    names[f"{path.stem}.{name}"] = ast.unparse(node.annotation)
                case ast.Assign(targets=[ast.Name("__all__")], value=value):
                    names[f"{path.stem}.__all__"] = ast.unparse(value)
    return names


def test_both_flavours_have_the_same_names():
    flavours = [public_names(FOLDER / name) for name in ("v2", "v3")]
    assert flavours[0] == flavours[1]
    assert "training.training_loss" in flavours[0]


def test_another_argument_goes_red(tmp_path):
    for name, arguments in (("v2", "model"), ("v3", "model, x")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "training.py").write_text(f"def loss({arguments}):\n    pass\n")
    assert public_names(tmp_path / "v2") != public_names(tmp_path / "v3")
