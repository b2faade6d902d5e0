"""The workspace as the guards see it, and copies of it to plant faults in."""

import ast
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path
from typing import Any

import pytest

from wk_testing.versions import has_tools

ROOT = Path(__file__).resolve().parents[2]
TOOLS = {".ci/check-dependencies", "lint-imports", "mypy", "ruff", "zensical"}


def read_toml(path: Path) -> dict[str, Any]:
    """Returns the contents of a TOML file."""
    return tomllib.loads(path.read_text())


def members(root: Path = ROOT) -> list[Path]:
    """Returns the directories of the members that are published."""
    return sorted(path.parent for path in root.glob("packages/*/pyproject.toml"))


def support(root: Path = ROOT) -> list[Path]:
    """Returns the directories of the members that tests alone use, which are never published."""
    return sorted(path.parent for path in root.glob("integration-tests/support/*/pyproject.toml"))


def import_name(member: Path) -> str:
    """Returns the name under which a member is imported."""
    return member.name.replace("-", "_")


def source(member: Path) -> Path:
    """Returns the directory of a member's import package."""
    return member / "src" / import_name(member)


def declared_all(module: Path) -> list[str] | None:
    """Returns the names in a module's `__all__`, None where it has none."""
    for node in ast.parse(module.read_text()).body:
        match node:
            case ast.Assign(targets=[ast.Name("__all__")], value=value):
                return ast.literal_eval(value)
            case ast.AnnAssign(target=ast.Name("__all__"), value=ast.expr() as value):
                return ast.literal_eval(value)
    return None


def copy_workspace(target: Path) -> Path:
    """Copies what the guards look at: the members, the CI scripts, the docs and the configuration.

    Returns:
        The copy's root.
    """
    junk = shutil.ignore_patterns("__pycache__", ".*_cache", ".cache", "site", "tests")
    for name in ("packages", "integration-tests/support", ".ci", "docs"):
        shutil.copytree(ROOT / name, target / name, ignore=junk)
    for name in ("pyproject.toml", "uv.lock"):
        shutil.copy(ROOT / name, target / name)
    return target


def replace(path: Path, old: str, new: str) -> None:
    """Replaces a text that must be in a file."""
    text = path.read_text()
    assert old in text, f"{path} has no {old!r}"
    path.write_text(text.replace(old, new))


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess:
    """Runs a command with the scripts of this environment on the path.

    Returns:
        The finished process, its output and its errors together in `stdout`.

    Skips the test where this environment has no tools, as those of other versions.
    """
    if command[0] in TOOLS and not has_tools():
        pytest.skip(f"{command[0]} is not installed with these versions")
    scripts = sysconfig.get_path("scripts")
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={
            **os.environ,
            "PATH": os.pathsep.join([scripts, os.environ["PATH"]]),
            "UV_NO_SYNC": "1",
            "UV_PROJECT_ENVIRONMENT": sys.prefix,
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run_on(root: Path, *command: str | Path, **environment: str) -> subprocess.CompletedProcess:
    """Runs a command in a copy of the workspace, whose members shadow the installed ones."""
    several = [*members(root), *support(root)]
    sources = os.pathsep.join(str(member / "src") for member in several)
    return run(*command, cwd=root, PYTHONPATH=sources, **environment)
