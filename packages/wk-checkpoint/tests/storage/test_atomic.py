"""Finished files and directories that take the place of others."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from wk_checkpoint.storage import atomic
from wk_checkpoint.storage.atomic import remove, replace, temporary_sibling
from wk_checkpoint.storage.local import drop_page_cache

pytestmark = pytest.mark.backend_free


def write(path, text, *, directory):
    if directory:
        (path / "inside").mkdir(parents=True)
        (path / "checkpoint").touch()
        (path / "inside" / "text").write_text(text)
    else:
        path.write_text(text)


def read(path):
    return (path / "inside" / "text" if path.is_dir() else path).read_text()


@pytest.mark.parametrize("directory", [False, True])
@pytest.mark.parametrize("can_exchange", [False, True])
def test_replaces_what_is_there(tmp_path, monkeypatch, directory, can_exchange):
    if not can_exchange:
        monkeypatch.setattr(atomic, "_exchange", lambda *_: False)
    target = tmp_path / "new" / "target.keras"
    for text in ("one", "two", "three"):
        with temporary_sibling(target) as draft:
            assert draft.name.endswith("target.keras")
            write(draft, text, directory=directory)
            replace(draft, target)
        assert read(target) == text
        assert list(target.parent.iterdir()) == [target]


def test_what_is_open_stays_what_it_was(tmp_path):
    target = tmp_path / "target"
    target.write_text("old")
    with target.open() as opened, temporary_sibling(target) as draft:
        draft.write_text("new")
        replace(draft, target)
        assert opened.read() == "old"


def test_directory_at_every_instant(tmp_path, monkeypatch):
    """Between any two calls to the file system the target is there, whole."""
    target = tmp_path / "target"
    write(target, "old", directory=True)
    seen = []

    def watching(name):
        call = getattr(os, name)

        def watched(*arguments, **named):
            seen.append(read(target))
            return call(*arguments, **named)

        monkeypatch.setattr(os, name, watched)

    for name in ("rename", "replace", "rmdir", "unlink", "fsync"):
        watching(name)
    with temporary_sibling(target) as draft:
        write(draft, "new", directory=True)
        replace(draft, target)
    assert len(seen) > 4
    assert seen == sorted(seen, reverse=True)  # old, old, …, new, new
    assert {"old", "new"} == set(seen)


def test_error_leaves_no_draft(tmp_path):
    target = tmp_path / "target"
    target.write_text("old")

    def write_half():
        with temporary_sibling(target) as draft:
            draft.write_text("half")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_half()
    assert list(tmp_path.iterdir()) == [target]
    assert target.read_text() == "old"


ALONE = f"""
import os, signal, sys, types
from pathlib import Path

package = types.ModuleType("wk_checkpoint")  # without Keras, which takes longer than all the rest
package.__path__ = [{str(Path(atomic.__file__).parents[1])!r}]
sys.modules["wk_checkpoint"] = package
from wk_checkpoint.storage.atomic import replace, temporary_sibling
from wk_checkpoint.storage.local import drop_page_cache
"""

KILLED = """

with temporary_sibling(Path(sys.argv[1])) as draft:
    draft.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""

LIVING = """

with temporary_sibling(Path(sys.argv[1])) as draft:
    draft.write_text("of another process")
    print("begun", flush=True)
    sys.stdin.readline()
    replace(draft, Path(sys.argv[1]))
"""


def start(script, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", ALONE + script, *map(str, arguments)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_leftovers_of_a_killed_process_are_removed(tmp_path):
    target, other = tmp_path / "target", tmp_path / "other"
    for killed in [start(KILLED, target), start(KILLED, other)]:
        killed.communicate()
        assert killed.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 2
    with temporary_sibling(target) as draft:
        draft.write_text("new")
        replace(draft, target)
    (kept,) = set(tmp_path.iterdir()) - {target}  # of another target
    assert (kept / "other").read_text() == "half"
    with temporary_sibling(other):
        pass
    remove(target)
    assert list(tmp_path.iterdir()) == []


def test_draft_of_a_living_process_stays(tmp_path):
    target = tmp_path / "target"
    other = start(LIVING, target)
    assert other.stdout.readline() == "begun\n"
    with temporary_sibling(target) as draft:
        draft.write_text("new")
        replace(draft, target)
    assert target.read_text() == "new"
    other.communicate("go on\n")
    assert other.returncode == 0
    assert target.read_text() == "of another process"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("directory", [False, True])
def test_threads_that_write_to_one_path(tmp_path, directory):
    target = tmp_path / "target"

    def save(number):
        for turn in range(100):
            with temporary_sibling(target) as draft:
                write(draft, f"{number} {turn}", directory=directory)
                replace(draft, target)
            drop_page_cache(target)

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(save, number) for number in range(8)]:
            done.result()
    assert read(target).endswith(" 99")
    assert list(tmp_path.iterdir()) == [target]


def test_directories_removed_by_several_threads(tmp_path):
    for number in range(100):
        write(tmp_path / f"{number}", "old", directory=True)
        together = Barrier(2)

        def remove_together(path=tmp_path / f"{number}", together=together):
            together.wait()
            remove(path)

        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(remove_together) for _ in range(2)]:
                done.result()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("directory", [False, True])
def test_what_is_no_checkpoint_is_not_replaced(tmp_path, directory):
    target = tmp_path / "models"
    target.mkdir()
    notes = target / "notes.txt"
    notes.write_text("mine")
    with temporary_sibling(target) as draft:
        write(draft, "new", directory=directory)
        with pytest.raises(FileExistsError, match=r"lost: notes.txt|is a directory; the"):
            replace(draft, target)
    assert notes.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [target]


def test_file_is_not_replaced_by_a_directory(tmp_path):
    target = tmp_path / "models"
    target.write_text("mine")
    with temporary_sibling(target) as draft:
        write(draft, "new", directory=True)
        with pytest.raises(FileExistsError, match="is a file; the checkpoint is a directory"):
            replace(draft, target)
    assert target.read_text() == "mine"
