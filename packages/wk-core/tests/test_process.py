"""Which process of a training this is."""

import json
import subprocess
import sys

import pytest
import wandb

from wk_core.process import Process, set_process, shared_settings, this_process
from wk_core.run import is_silent, resolve_run
from wk_testing.scripts import run_script

pytestmark = pytest.mark.backend_free

WORKERS = {"worker": ["a:1", "b:1"]}


@pytest.fixture(autouse=True)
def nothing_given():
    yield
    set_process(None)


@pytest.fixture
def tf_config(monkeypatch):
    def set_task(cluster, kind, index):
        task = {"type": kind, "index": index}
        monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task}))

    return set_task


def test_alone():
    assert this_process() == Process(0, 1, "default")
    assert this_process().writes


@pytest.mark.parametrize(
    ("cluster", "kind", "index", "number", "count"),
    [
        (WORKERS, "worker", 0, 0, 2),
        (WORKERS, "worker", 1, 1, 2),
        ({**WORKERS, "chief": ["c:1"]}, "chief", 0, 0, 3),
        ({**WORKERS, "chief": ["c:1"]}, "worker", 0, 1, 3),
        ({**WORKERS, "chief": ["c:1"], "ps": ["p:1"]}, "ps", 0, 3, 4),
        ({**WORKERS, "chief": ["c:1"]}, "evaluator", 0, 3, 4),
        ({}, "worker", 0, 0, 1),
    ],
)
def test_tf_config(tf_config, cluster, kind, index, number, count):
    tf_config(cluster, kind, index)
    assert this_process() == Process(number, count, "TF_CONFIG")
    assert this_process().writes == (number == 0)


@pytest.mark.parametrize("text", ["{", "[]", '{"task": 1}', '{"task": {"index": "x"}}'])
def test_broken_tf_config(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ValueError, match=r"TF_CONFIG must be JSON.*Received: TF_CONFIG="):
        this_process()


def test_the_variable_beats_detection(tf_config, monkeypatch):
    tf_config(WORKERS, "worker", 0)
    monkeypatch.setenv("WK_PROCESS", "2/4")
    assert this_process() == Process(2, 4, "WK_PROCESS")


@pytest.mark.parametrize("text", ["1", "a/b", "4/4", "-1/2", "1/2/3"])
def test_broken_variable(monkeypatch, text):
    monkeypatch.setenv("WK_PROCESS", text)
    with pytest.raises(ValueError, match="WK_PROCESS"):
        this_process()


def test_the_call_beats_the_variable(monkeypatch):
    monkeypatch.setenv("WK_PROCESS", "2/4")
    set_process(0, 3)
    assert this_process() == Process(0, 3, "set_process")
    set_process(None)
    assert this_process().index == 2


@pytest.mark.parametrize(("index", "count"), [(2, 2), (-1, 2), (True, 2), (0.0, 2), (0, None)])
def test_no_such_process(index, count):
    with pytest.raises(ValueError, match=r"set_process: .*Received: index="):
        set_process(index, count)


def test_it_is_said_once_where_there_are_several():
    code = """
from wk_core.process import set_process, this_process
this_process()
set_process(4, 9)
this_process()
this_process()
"""
    printed = run_script(code, WANDB_SILENT="false").stderr
    assert printed.count("this is process") == 1
    assert "this is process 4 of 9 (set_process)" in printed


def test_asking_imports_no_backend():
    code = """
import sys
from wk_core.process import this_process
before = set(sys.modules)
this_process()
assert not {"jax", "tensorflow", "torch", "ray"} & (set(sys.modules) - before)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_settings_of_one_run_for_all():
    set_process(1, 2)
    settings = shared_settings()
    assert (settings.mode, settings.x_label) == ("shared", "process_1")
    assert (settings.x_primary, settings.x_update_finish_state) == (False, False)
    set_process(0, 2)
    assert shared_settings().x_primary


def test_other_processes_need_no_run(offline_run):
    set_process(1, 2)
    silent = resolve_run("Callback")
    assert silent.disabled
    assert is_silent(silent)
    assert wandb.run is None
    with pytest.raises(wandb.Error, match="Callback needs"):
        resolve_run("Callback", in_every_process=True)

    run = offline_run()
    assert is_silent(resolve_run("Callback", run))
    assert resolve_run("Callback", run, in_every_process=True) is run
    set_process(0, 2)
    assert not is_silent(resolve_run("Callback", run))
