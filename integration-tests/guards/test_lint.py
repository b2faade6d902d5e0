from pathlib import Path

import pytest

from guards.workspace import ROOT, run

pytestmark = pytest.mark.backend_free

CONFIG = ("--config", str(ROOT / "pyproject.toml"), "--no-cache")


@pytest.mark.parametrize(
    ("planted", "rule"),
    [
        ('"""Doc."""\n\nimport os\n', "F401"),
        ('"""Doc."""\n\n\ndef add(x: int) -> int:\n    return x\n', "D103"),
        ('"""Doc."""\n\nfrom os.path import join\n\nPATH = join("a", "b")\n', "PTH118"),
    ],
)
def test_fault_goes_red(tmp_path: Path, planted: str, rule: str) -> None:
    path = tmp_path / "planted.py"
    path.write_text(planted)
    result = run("ruff", "check", *CONFIG, path)
    assert result.returncode != 0
    assert rule in result.stdout


def test_unformatted_code_goes_red(tmp_path: Path) -> None:
    path = tmp_path / "planted.py"
    path.write_text("x = { 'a':1 }\n")
    result = run("ruff", "format", "--check", *CONFIG, path)
    assert result.returncode != 0
    assert "1 file would be reformatted" in result.stdout
