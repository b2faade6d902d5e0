"""Runs every fence of the docs, the READMEs, CONTRIBUTING.md and the docstrings.

A document's `python` fences share a namespace, and each docstring is a document. pytest runs those
that define tests. A `text` fence is what the `python` fence before it prints. A `diff` fence is run
as it is after the change. What a `tree` fence shows exists. The commands of a `bash` fence are held
against the workspace: packages, scripts and files that they name exist, and `.ci/checks` runs the
checks that they run.

A fence below a comment such as `<!-- needs runnable SavedModels -->` is left out where the
installed versions have none. The test of its document runs the others, and is then skipped with the
reason.
"""

import contextlib
import importlib.util
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import wandb
from sybil import Document, Example, Region
from sybil.document import PythonDocStringDocument
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer

from wk_testing.versions import finish_timeout_obstacle, has_tools, saved_models_obstacle

ROOT = Path(__file__).resolve().parents[1]
CI_CHECKS = (ROOT / ".ci/checks").read_text()
MEMBERS = {
    project["name"]: {*project.get("optional-dependencies", {})}
    for path in ROOT.glob("packages/*/pyproject.toml")
    for project in [tomllib.loads(path.read_text())["project"]]
}
# What the members for tests alone install.
SUPPORT_SCRIPTS = {
    script
    for path in ROOT.glob("integration-tests/support/*/pyproject.toml")
    for script in tomllib.loads(path.read_text())["project"].get("scripts", {})
}
BACKENDS = {"jax", "tensorflow", "tf-keras", "torch"}
BACKEND_CHOICES = {
    *(f"KERAS_BACKEND={backend}" for backend in ("jax", "tensorflow", "torch")),
    "TF_USE_LEGACY_KERAS=1",
}
PYTEST_CHOICES = {"-m", "not backend_free", "docs", "integration-tests", "packages"}

# As integration-tests/online runs them.
SYNC_CHOICES = [[], ["--include-online"], ["--include-online", "--id", "abcd1234-whole"]]

PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted(ROOT.glob("packages/*/README.md")),
    *sorted(ROOT.glob("integration-tests/**/README.md")),
    *sorted(ROOT.glob("docs/pages/**/*.md")),
]
MODULES = sorted([*ROOT.glob("packages/*/src/**/*.py"), *ROOT.glob("examples/**/*.py")])

run_python = PythonEvaluator()


def run_and_capture(example: Example) -> None:
    """Runs a `python` fence and keeps what it prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        run_python(example)
    example.document.printed = printed.getvalue()


def run_tests(example: Example) -> str | None:
    """Has pytest run the tests that a `python` fence defines, in a process of its own."""
    path = Path("test_fence.py")
    path.write_text(example.parsed)
    command = [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider"]
    config = ["--config-file", str(ROOT / "pyproject.toml"), "--rootdir", "."]
    process = subprocess.run([*command, *config, path], capture_output=True, text=True)
    return None if process.returncode == 0 else process.stdout + process.stderr


def compare_output(example: Example) -> str | None:
    """Holds a `text` fence against what the fence before it has printed."""
    printed = getattr(example.document, "printed", "")
    return None if printed == example.parsed else f"printed {printed!r}"


def run_changed(example: Example) -> None:
    """Runs a `diff` fence as it is after the change."""
    kept = [line[1:] for line in example.parsed.splitlines() if not line.startswith("-")]
    exec(compile("\n".join(kept), example.path, "exec"), example.namespace)


def check_tree(example: Example) -> str | None:
    """Holds the paths of a `tree` fence against the workspace; an indent is a directory."""
    parents = [ROOT]
    for line in example.parsed.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        path = parents[depth] / line.split()[0]
        if not path.exists():
            return f"there is no {path.relative_to(ROOT)}"
        parents[depth + 1 :] = [path]
    return None


def check_commands(example: Example) -> str | None:
    """Holds the commands of a `bash` fence against the workspace."""
    lines = example.parsed.replace("\\\n", " ").splitlines()
    faults = [fault for line in lines if (fault := command_fault(line)) is not None]
    return "\n".join(faults) or None


def command_fault(line: str) -> str | None:
    """Returns what is wrong with a command, None if nothing is."""
    words = shlex.split(line, comments=True)
    while words and re.match(r"[A-Z_]+=", words[0]):
        if words[0] not in BACKEND_CHOICES:
            return f"{words[0]} chooses no backend"
        words = words[1:]
    missing = [word for word in words if names_a_file(word) and not (ROOT / word).exists()]
    if missing:
        return f"there is no {', '.join(missing)}"
    match words:
        case [] | ["uv", "sync" | "lock"] | ["uv", "lock", "--check"]:
            return None
        case ["wandb", "sync", *options, _] if options in SYNC_CHOICES:
            return None
        case ["git", "clone", *_] | ["cd", _]:
            return None
        case (
            ["pip", "install", *packages]
            | ["uv", "pip", "install", *packages]
            | ["uv", "run", "--no-sync", "python", "-m", "pip", "install", *packages]
        ):
            unknown = [package for package in packages if not is_known_package(package)]
            return f"unknown to the workspace: {unknown}" if unknown else None
        case ["bash", script] | [script, *_] if script.startswith(".ci/"):
            return None if os.access(ROOT / script, os.X_OK) else f"{script} cannot be executed"
        case ["python", "train.py"]:  # the reader's own
            return None
        case ["uv", "run", *options, "pytest"]:
            return None if set(options) <= {"--no-sync"} else f"unknown options: {options}"
        case ["uv", "run", "pytest", *chosen]:
            unknown = {word for word in chosen if not names_a_file(word)} - PYTEST_CHOICES
            return f"unknown tests: {unknown}" if unknown else None
        case ["uv", "run", "python", script] | ["uv", "run", script] | ["python", script] if (
            script.endswith(".py")
        ):
            return None if names_a_file(script) else f"{script} is no script of the workspace"
        case ["uv", "run", "python", "-m", module]:
            path = ROOT / "integration-tests" / module.replace(".", "/")
            is_ours = (path / "__main__.py").exists() or path.with_suffix(".py").exists()
            found = is_ours or importlib.util.find_spec(module) is not None
            return None if found else f"there is no module {module}"
        case ["uv", "run", script] if script in SUPPORT_SCRIPTS:
            return None
        case ["uv", "run", tool, *_]:
            if not is_installed(tool) and (has_tools() or f"uv run {tool}" not in CI_CHECKS):
                return f"{tool} is not installed"
            return None if " ".join(words) in CI_CHECKS else f".ci/checks does not run {line!r}"
    return f"no test knows this command: {line!r}"


def names_a_file(word: str) -> bool:
    """Returns whether a command's word names a file of the workspace."""
    first = word.partition("/")[0]
    return first in {".ci", "docs", "examples", "integration-tests", "packages"}


def is_installed(tool: str) -> bool:
    """Returns whether this environment has a command."""
    return shutil.which(tool, path=sysconfig.get_path("scripts")) is not None


def is_known_package(word: str) -> bool:
    """Returns whether a word of an install command names a package that wk knows, or an option."""
    if word in {"pip", "--torch-backend", "cpu"}:
        return True
    requirement = re.fullmatch(r"([\w-]+?)(?:\[([\w,-]+)\])?(?:==[\d.]+)?", word)
    if requirement is None:
        return False
    name, extras = requirement.groups()
    if name in MEMBERS:
        return set(extras.split(",") if extras else []) <= MEMBERS[name]
    return name in BACKENDS and extras is None


def refuse(example: Example) -> str:
    """Refuses a fence of any other language, which no test can run."""
    return f"no test knows how to run a {example.region.lexemes['language']!r} fence"


# What not all versions have: why a fence cannot be run, nothing where it can.
OBSTACLES = {
    "`finish_timeout`": finish_timeout_obstacle,
    "runnable SavedModels": saved_models_obstacle,
}

EVALUATORS = {
    "bash": check_commands,
    "diff": run_changed,
    "python": run_and_capture,
    "text": compare_output,
    "tree": check_tree,
}
find_fences = RawFencedCodeBlockLexer(re.compile(r"(?P<language>[^\s{]*)[^\n]*\n"))


def parse_fences(document: Document) -> Iterable[Region]:
    """Yields a document's fences, in any language."""
    for region in find_fences(document):
        region.parsed = region.lexemes["source"]
        needs = re.search(r"<!-- needs (.+) -->\n$", document.text[: region.start])
        region.needs = needs and needs[1]
        region.evaluator = EVALUATORS.get(region.lexemes["language"], refuse)
        if region.evaluator is run_and_capture and re.search(r"^def test_", region.parsed, re.M):
            region.evaluator = run_tests
        yield region


def document_of(text: str, path: Path) -> Document:
    """Returns a text with the fences in it."""
    document = Document(text, str(path))
    for region in parse_fences(document):
        document.add(region)
    return document


def documents() -> Iterator[tuple[str, Document]]:
    """Yields the name and the contents of everything that has a fence."""
    for path in PAGES:
        document = document_of(path.read_text(), path)
        if document.regions:
            yield str(path.relative_to(ROOT)), document
    for path in MODULES:
        code = path.read_text()
        for start, _, docstring in PythonDocStringDocument.extract_docstrings(code):
            line = code.count("\n", 0, start)
            # The empty lines make the fence's line number that of the file.
            document = document_of("\n" * line + docstring, path)
            if document.regions:
                yield f"{path.relative_to(ROOT)}:{line + 1}", document


def evaluate(document: Document) -> None:
    """Runs a document's fences one after the other; skips the test if one had to be left out."""
    left_out = []
    for example in document.examples():
        needs = example.region.needs
        assert needs is None or needs in OBSTACLES, f"no test knows what {needs!r} are"
        if needs is not None and (obstacle := OBSTACLES[needs]()):
            left_out.append(f"line {example.line}: {obstacle}")
        else:
            example.evaluate()
    if left_out:
        pytest.skip(f"all fences ran but those of {', '.join(left_out)}")


@pytest.fixture(autouse=True)
def own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Runs a fence in a directory of its own, and finishes the run that it leaves open."""
    monkeypatch.chdir(tmp_path)
    yield
    wandb.finish()


@pytest.mark.parametrize(
    "document", [pytest.param(document, id=name) for name, document in documents()]
)
def test_fences(document: Document) -> None:
    evaluate(document)


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("fence", "telling"),
    [
        ("```python\nassert 1 == 2\n```", "assert 1 == 2"),
        ("```python\nprint(1)\n```\n\n```text\n2\n```", "printed '1\\\\n'"),
        ("```python\ndef test_it():\n    assert 1 == 2\n```", "1 failed"),
        ("```diff\n-x = 1\n+assert 1 == 2\n```", "assert 1 == 2"),
        ("```bash\npip install wk-nothing\n```", "unknown to the workspace: ['wk-nothing']"),
        ("```bash\npip install wk-core[nothing]\n```", "unknown to the workspace"),
        ("```bash\nuv run --no-sync python examples/nothing.py\n```", "no examples/nothing.py"),
        ("```bash\nKERAS_BACKEND=numpy uv run pytest\n```", "chooses no backend"),
        ("```bash\nuv run flake8\n```", "flake8 is not installed"),
        ("```bash\nuv run ruff check --fix\n```", ".ci/checks does not run"),
        ("```bash\nmake test\n```", "no test knows this command: 'make test'"),
        ("```tree\npackages/\n  wk-nothing/  no such member\n```", "no packages/wk-nothing"),
        ("```ruby\nputs 1\n```", "no test knows how to run a 'ruby' fence"),
        ("<!-- needs nothing -->\n```python\n```", "no test knows what 'nothing' are"),
        ("```\nx\n```", "no test knows how to run a '' fence"),
    ],
)
def test_broken_fence_goes_red(fence: str, telling: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError) as caught:
        evaluate(document_of(fence, tmp_path / "page.md"))
    shown = f"{caught.value} {fence}"
    assert telling.replace("\\\\", "\\") in shown


@pytest.mark.backend_free
def test_a_fence_is_left_out_and_the_others_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(OBSTACLES, "it", lambda: "there is none")
    text = "```python\nran = []\n```\n\n<!-- needs it -->\n```python\n1 / 0\n```\n\n"
    document = document_of(text + "```python\nran.append(1)\n```", tmp_path / "page.md")
    with pytest.raises(pytest.skip.Exception, match="line 6: there is none"):
        evaluate(document)
    assert document.namespace["ran"] == [1]
    monkeypatch.setitem(OBSTACLES, "it", str)
    with pytest.raises(ZeroDivisionError):
        evaluate(document_of(text, tmp_path / "page.md"))
