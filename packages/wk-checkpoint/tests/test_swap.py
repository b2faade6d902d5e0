"""Finished files and directories that take the place of others."""

import os

import pytest

from wk_checkpoint import swap
from wk_checkpoint.swap import beside, remove, swap_in

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
        monkeypatch.setattr(swap, "_exchange", lambda *_: False)
    target = tmp_path / "new" / "target.keras"
    for text in ("one", "two", "three"):
        with beside(target) as draft:
            assert draft.name.endswith("target.keras")
            write(draft, text, directory=directory)
            swap_in(draft, target)
        assert read(target) == text
        assert list(target.parent.iterdir()) == [target]


def test_what_is_open_stays_what_it_was(tmp_path):
    target = tmp_path / "target"
    target.write_text("old")
    with target.open() as opened, beside(target) as draft:
        draft.write_text("new")
        swap_in(draft, target)
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
    with beside(target) as draft:
        write(draft, "new", directory=True)
        swap_in(draft, target)
    assert len(seen) > 4
    assert seen == sorted(seen, reverse=True)  # old, old, …, new, new
    assert {"old", "new"} == set(seen)


def test_error_leaves_no_draft(tmp_path):
    target = tmp_path / "target"
    target.write_text("old")

    def write_half():
        with beside(target) as draft:
            draft.write_text("half")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_half()
    assert list(tmp_path.iterdir()) == [target]
    assert target.read_text() == "old"


def test_leftovers_of_a_killed_process_are_removed(tmp_path):
    target, other = tmp_path / "target", tmp_path / "other"
    (tmp_path / ".wk-unfinished-1--target").mkdir()
    kept = tmp_path / ".wk-unfinished-1--other"
    kept.write_text("of another target")
    with beside(target) as draft:
        draft.write_text("new")
        swap_in(draft, target)
    assert sorted(tmp_path.iterdir()) == [kept, target]
    remove(other)
    remove(target)
    assert list(tmp_path.iterdir()) == [kept]


@pytest.mark.parametrize("directory", [False, True])
def test_what_is_no_checkpoint_is_not_replaced(tmp_path, directory):
    target = tmp_path / "models"
    target.mkdir()
    notes = target / "notes.txt"
    notes.write_text("mine")
    with beside(target) as draft:
        write(draft, "new", directory=directory)
        with pytest.raises(FileExistsError, match=r"lost: notes.txt|is a directory; the"):
            swap_in(draft, target)
    assert notes.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [target]


def test_file_is_not_replaced_by_a_directory(tmp_path):
    target = tmp_path / "models"
    target.write_text("mine")
    with beside(target) as draft:
        write(draft, "new", directory=True)
        with pytest.raises(FileExistsError, match="is a file; the checkpoint is a directory"):
            swap_in(draft, target)
    assert target.read_text() == "mine"
