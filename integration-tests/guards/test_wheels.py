"""The built wheels, each installed alone in a fresh environment."""

import os
import shutil
import zipfile
from collections.abc import Callable
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import NamedTuple

import pytest
from filelock import FileLock

from guards.workspace import ROOT, copy_workspace, import_name, members, read_toml, replace, run

pytestmark = pytest.mark.backend_free

MEMBERS = [member.name for member in members()]
BACKENDS = {"jax", "tensorflow", "tf-keras", "torch"}
BACKEND_MODULES = {"jax", "tensorflow", "tf_keras", "torch"}

# What must stay away from an environment and from a process that has one wk package alone.
UNWANTED: dict[str, set[str]] = {
    "wk-checkpoint": {*BACKENDS, "pillow"},
    "wk-core": {*BACKENDS, "pillow"},
    "wk-eval": {*BACKENDS, "matplotlib", "pandas", "scikit-learn"},
    "wk-legacy": {*BACKENDS, "matplotlib", "pandas", "scikit-learn"},
    "wk-metrics": {*BACKENDS, "pillow"},
}
UNWANTED_MODULES: dict[str, set[str]] = {
    "wk-checkpoint": {*BACKEND_MODULES, "PIL"},
    "wk-core": {*BACKEND_MODULES, "PIL"},
    "wk-eval": {*BACKEND_MODULES, "matplotlib", "pandas", "sklearn"},
    "wk-legacy": {*BACKEND_MODULES, "matplotlib", "pandas", "sklearn"},
    "wk-metrics": {*BACKEND_MODULES, "PIL"},
}
# The members that come along, which is all that they may bring of each other.
BROUGHT: dict[str, set[str]] = {
    "wk-checkpoint": {"wk-core"},
    "wk-core": set(),
    "wk-eval": {"wk-core"},
    "wk-legacy": {"wk-checkpoint", "wk-core", "wk-eval", "wk-metrics"},
    "wk-metrics": {"wk-core"},
}

# Packages whose modules are one for each backend, of which that in use is imported.
BY_BACKEND = (
    "wk_metrics.gradients.differentiation",
    "wk_metrics.gradients.training_steps.backends",
    "wk_metrics.gradients.training_steps.numerics",
)
# What is for Keras 2, which stands on TensorFlow.
BY_FLAVOUR = "wk_core.compat.keras.v2"

# Imports a whole package. Prints what has been imported, and what the package itself asked for,
# be it in vain. The backend in use is Keras' own affair unless the package asks for it.
PROBE = """
import builtins, importlib, pkgutil, sys

asked = set()
plain_import = builtins.__import__

def watching_import(name, globals=None, *rest, **more):
    if (globals or {}).get("__name__", "").startswith("wk_"):
        asked.add(name.partition(".")[0])
    return plain_import(name, globals, *rest, **more)

builtins.__import__ = watching_import
package = importlib.import_module(sys.argv[1])
sys.modules[sys.argv[3]] = None
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    by_backend = [package + "." for package in sys.argv[2].split(",")]
    if not module.name.startswith((*by_backend, sys.argv[3])):
        importlib.import_module(module.name)
loaded = {name.partition(".")[0] for name in sys.modules} - {"jax"}
print(*sorted(asked | loaded))
"""


class Environment(NamedTuple):
    """A fresh environment with one wheel and what it requires.

    Attributes:
        distributions: Names of what is installed.
        modules: Names of the top-level modules that importing the whole package imports, on JAX.
    """

    distributions: set[str]
    modules: set[str]


def build(root: Path, target: Path, *names: str) -> Path:
    for name in names or [member.name for member in members(root)]:
        result = run("uv", "build", "--wheel", "--package", name, "--out-dir", target, cwd=root)
        assert result.returncode == 0, result.stdout
    return target


def install(name: str, wheels: Path, directory: Path) -> Environment:
    """Makes a fresh environment, in the place of the last one, with one wheel.

    What others' modules are compiled to is kept: compiling takes longer than all else.
    """
    with FileLock(directory / "environment.lock"):
        return _install(name, wheels, directory)


def _install(name: str, wheels: Path, directory: Path) -> Environment:
    python = directory / "venv" / "bin" / "python"
    created = run("uv", "venv", "--quiet", "--clear", directory / "venv", cwd=directory)
    assert created.returncode == 0, created.stdout
    for own in [*(directory / "bytecode").glob("**/site-packages/wk_*")]:
        shutil.rmtree(own)
    pip = ("uv", "pip", "install", "--quiet", "--python", python)
    # The lock's versions: the test is about what a wheel brings, not about today's releases.
    locked = ("--constraints", wheels / "constraints.txt", "--find-links", wheels)
    # uv remembers a wheel by its path, which an earlier test run may have used for another.
    fresh = [word for member in MEMBERS for word in ("--refresh-package", member)]
    installed = run(*pip, *locked, *fresh, name, cwd=directory)
    assert installed.returncode == 0, installed.stdout
    listed = run("uv", "pip", "freeze", "--python", python, cwd=directory)
    distributions = {line.split("==")[0].split(" @ ")[0] for line in listed.stdout.splitlines()}
    # No Keras is imported without a backend: its NumPy one needs JAX, too.
    backend = run(*pip, *locked, "jax", cwd=directory)
    assert backend.returncode == 0, backend.stdout
    clean = {
        "KERAS_BACKEND": "jax",
        "KERAS_HOME": str(directory),
        "PYTHONPATH": "",
        "PYTHONPYCACHEPREFIX": str(directory / "bytecode"),
    }
    arguments = (import_name(Path(name)), ",".join(BY_BACKEND), BY_FLAVOUR)
    probed = run(python, "-c", PROBE, *arguments, cwd=directory, **clean)
    assert probed.returncode == 0, probed.stdout
    return Environment(distributions, set(probed.stdout.splitlines()[-1].split()))


def footprint_faults(name: str, environment: Environment) -> list[str]:
    """Lists what a wheel brings or imports and must not."""
    brought = {found for found in environment.distributions if found.startswith("wk-")}
    return [
        *(f"brings {found}" for found in sorted(UNWANTED[name] & environment.distributions)),
        *(f"imports {found}" for found in sorted(UNWANTED_MODULES[name] & environment.modules)),
        *(f"brings {found}" for found in brought - BROUGHT[name] - {name}),
        *(f"lacks {found}" for found in BROUGHT[name] - brought),
    ]


def content_faults(wheel: Path) -> list[str]:
    """Lists what a wheel should ship or declare and does not."""
    package = wheel.name.split("-")[0]
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        dist_info = next(name for name in names if name.endswith(".dist-info/METADATA"))
        metadata = message_from_bytes(archive.read(dist_info))
    wanted = {
        "py.typed": f"{package}/py.typed" in names,
        "License-Expression: MIT": metadata["License-Expression"] == "MIT",
        "Requires-Python": bool(metadata["Requires-Python"]),
        "the README": bool(metadata.get_payload()),
    }
    others = {name.partition("/")[0] for name in names} - {package}
    return [
        *(f"lacks {what}" for what, there in wanted.items() if not there),
        *(f"ships {other}" for other in others if not other.endswith(".dist-info")),
    ]


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of all test processes."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def constraints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lock") / "constraints.txt"
    command = ("uv", "export", "--quiet", "--frozen", "--all-packages", "--no-hashes")
    exported = run(*command, "--no-emit-workspace", "--output-file", path)
    assert exported.returncode == 0, exported.stdout
    return path


@pytest.fixture(scope="session")
def wheels(shared: Path, constraints: Path) -> Path:
    """The directory of all members' wheels, built once, whichever test process comes first."""
    target = shared / "wheels"
    with FileLock(shared / "wheels.lock"):
        if not target.exists():
            build(ROOT, target)
            (target / constraints.name).write_text(constraints.read_text())
    return target


@pytest.fixture
def planted(tmp_path: Path, constraints: Path) -> Callable[[str], Path]:
    """Builds the wheels of a copy of the workspace, `tmp_path`, after a fault was planted."""

    def build_planted(name: str) -> Path:
        target = build(tmp_path / "workspace", tmp_path / "wheels", *{"wk-core", name})
        (target / constraints.name).write_text(constraints.read_text())
        return target

    copy_workspace(tmp_path / "workspace")
    return build_planted


def wheel_of(name: str, wheels: Path) -> Path:
    (wheel,) = wheels.glob(f"{name.replace('-', '_')}-*.whl")
    return wheel


def test_every_member_has_a_footprint() -> None:
    assert set(UNWANTED) == set(UNWANTED_MODULES) == set(BROUGHT) == set(MEMBERS)


@pytest.mark.parametrize("name", MEMBERS)
def test_footprint(name: str, wheels: Path, shared: Path) -> None:
    environment = install(name, wheels, shared)
    assert name in environment.distributions
    assert import_name(Path(name)) in environment.modules
    assert footprint_faults(name, environment) == []


def test_larger_footprint_goes_red(
    planted: Callable[[str], Path], tmp_path: Path, shared: Path
) -> None:
    member = tmp_path / "workspace/packages/wk-metrics"
    replace(member / "pyproject.toml", "dependencies = [", 'dependencies = ["pillow", ')
    with (member / "src/wk_metrics/__init__.py").open("a") as file:
        file.write("\nimport PIL\n\ntry:\n    import torch\nexcept ImportError:\n    pass\n")
    environment = install("wk-metrics", planted("wk-metrics"), shared)
    faults = footprint_faults("wk-metrics", environment)
    assert faults == ["brings pillow", "imports PIL", "imports torch"]


@pytest.mark.parametrize("name", MEMBERS)
def test_contents(name: str, wheels: Path) -> None:
    assert content_faults(wheel_of(name, wheels)) == []


@pytest.mark.parametrize("name", MEMBERS)
def test_requirements_are_the_declared_ones(name: str, wheels: Path) -> None:
    declared = read_toml(ROOT / "packages" / name / "pyproject.toml")["project"]["dependencies"]
    with zipfile.ZipFile(wheel_of(name, wheels)) as archive:
        (path,) = [found for found in archive.namelist() if found.endswith("/METADATA")]
        metadata: Message = message_from_bytes(archive.read(path))
    required = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert sorted(required) == sorted(declared)


def test_missing_marker_and_licence_go_red(planted: Callable[[str], Path], tmp_path: Path) -> None:
    member = tmp_path / "workspace/packages/wk-core"
    (member / "src/wk_core/py.typed").unlink()
    replace(member / "pyproject.toml", 'license = "MIT"\n', "")
    wheel = wheel_of("wk-core", planted("wk-core"))
    assert content_faults(wheel) == ["lacks py.typed", "lacks License-Expression: MIT"]
