"""One ordered, bounded thread whose errors come back."""

import threading

import pytest

from wk_core.task_queue import TaskQueue

pytestmark = pytest.mark.backend_free


@pytest.fixture
def background():
    background = TaskQueue("test", capacity=5)
    yield background
    background.close()


def test_tasks_run_in_order_in_another_thread(background):
    done = []
    for number in range(100):
        background.submit(lambda number=number: done.append((number, threading.get_ident())))
    background.flush()

    assert [number for number, _ in done] == list(range(100))
    assert {thread for _, thread in done}.isdisjoint({threading.get_ident()})


def test_submit_waits_above_the_capacity(background):
    gate, done = threading.Event(), threading.Event()
    background.submit(gate.wait)

    def submit_more():
        for _ in range(7):
            background.submit(lambda: None)
        done.set()

    thread = threading.Thread(target=submit_more)
    thread.start()
    assert not done.wait(0.3)
    gate.set()
    assert done.wait(10)
    thread.join()


def fail():
    raise OSError("disk full")


def test_error_comes_back_with_the_next_call(background):
    done = []
    background.submit(fail)
    with pytest.raises(OSError, match="disk full"):
        background.flush()
    background.submit(lambda: done.append(1))
    background.flush()
    assert done == [1]


def test_tasks_behind_an_error_run(background):
    done = []
    background.submit(fail)
    background.submit(lambda: done.append(1))
    with pytest.raises(OSError, match="disk full"):
        background.flush()
    assert done == [1]


def test_close_runs_what_is_left_and_returns_the_error():
    background = TaskQueue("test", capacity=5)
    done = []
    background.submit(fail)
    background.submit(lambda: done.append(1))
    error = background.close()

    assert isinstance(error, OSError)
    assert done == [1]
    assert background.close() is None
    with pytest.raises(RuntimeError, match="takes no more tasks"):
        background.submit(fail)


def test_abandoned_thread_drops_what_is_waiting_and_ends():
    background = TaskQueue("wk_abandoned", capacity=5)
    started, released, done = threading.Event(), threading.Event(), []
    background.submit(lambda: (started.set(), released.wait()))
    background.submit(lambda: done.append(1))
    started.wait()
    (thread,) = (each for each in threading.enumerate() if each.name == "wk_abandoned")
    background.abandon()
    released.set()
    thread.join(10)

    assert not thread.is_alive()
    assert done == []


def test_unused_thread_is_never_started():
    background = TaskQueue("wk_unused", capacity=5)
    background.flush()
    assert not [thread for thread in threading.enumerate() if thread.name == "wk_unused"]
    assert background.close() is None
