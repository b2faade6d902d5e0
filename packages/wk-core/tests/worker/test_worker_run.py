"""A run in worker processes, offline."""

import json
import signal
import sys

import pytest

from wk_core.worker.worker_run import WorkerRun
from wk_testing.scripts import run_script
from wk_testing.wandb_file import read_run
from wk_testing.workers import CONFIG

pytestmark = pytest.mark.backend_free

POOL = """
import json, multiprocessing, multiprocessing.forkserver, sys
import wandb
from wk_core.worker.worker_run import WorkerRun
from wk_testing import workers

method, directory = sys.argv[1:]
multiprocessing.set_start_method(method)
if method == "forkserver":  # knows nothing of the run, then
    multiprocessing.forkserver.ensure_running()
with wandb.init(project="test", dir=directory, config=workers.CONFIG) as run:
    worker_run = WorkerRun()
    with multiprocessing.Pool(3) as pool:  # terminates them
        pool.apply_async(workers.report_and_hang, (worker_run, 0, f"{directory}/hangs"))
        workers.wait_for(f"{directory}/hangs")
        items = [(worker_run, number) for number in range(1, 7)]
        seen = pool.starmap(workers.report, items, chunksize=1)
    run.log({"main": 1})
print(json.dumps({"id": run.id, "seen": seen}))
"""

LATE = """
import multiprocessing, multiprocessing.util, sys  # as Keras imports them, before the run
import wandb
from wk_core.worker.worker_run import WorkerRun
from wk_testing import workers

if __name__ == "__main__":
    with wandb.init(project="test", dir=sys.argv[1], config=workers.CONFIG):
        worker = multiprocessing.Process(target=workers.report_late, args=(WorkerRun(), 7))
        worker.start()
"""

ODD_RUNS = """
import multiprocessing, os, sys
import wandb
from wk_core.worker.worker_run import WorkerRun
from wk_testing import workers

with wandb.init(project="test", dir=sys.argv[1], config=workers.CONFIG):
    worker_run = WorkerRun()
with multiprocessing.Pool(1) as pool:
    assert pool.apply(getattr, (worker_run, "config")).batch_size == 4
    try:
        pool.apply(worker_run.log, ({"loader/item": 0},))
    except wandb.Error as error:
        print(error)
with wandb.init(mode="disabled", config=workers.CONFIG):
    worker_run = WorkerRun()
    with multiprocessing.Pool(1) as pool:
        pool.apply(workers.report, (worker_run, 0))
"""


UNNOTICED = """
import multiprocessing, signal, sys, threading
import wandb
from wk_core.worker.worker_run import WorkerRun
from wk_testing import workers

def wait_for_what_does_not_come(worker_run):
    worker_run.own_run()
    lock = multiprocessing.Lock()
    lock.acquire()
    threading.Timer(1, lambda: signal.pthread_kill(threading.get_ident(), signal.SIGTERM)).start()
    lock.acquire()

if __name__ == "__main__":
    with wandb.init(project="test", dir=sys.argv[1]):
        worker = multiprocessing.Process(target=wait_for_what_does_not_come, args=(WorkerRun(),))
        worker.start()
        worker.join(60)
        print(worker.exitcode)
        worker.kill()
"""

ENDS_A_CHILD = """
import multiprocessing, os, signal, sys, time
import wandb
from wk_core.worker.worker_run import WorkerRun

def end_a_child(worker_run):
    run = worker_run.own_run()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, b"-")
        time.sleep(60)
    os.read(reading, 1)
    os.kill(child, signal.SIGTERM)
    os.waitpid(child, 0)
    time.sleep(1)
    run.log({"later": 1})

if __name__ == "__main__":
    with wandb.init(project="test", dir=sys.argv[1]):
        worker = multiprocessing.Process(target=end_a_child, args=(WorkerRun(),))
        worker.start()
        worker.join(60)
        print(worker.exitcode)
        worker.kill()
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_of_a_pool(method, tmp_path):
    process = run_script(POOL, method, str(tmp_path), KERAS_BACKEND="jax")
    assert process.returncode == 0, process.stderr
    assert "Traceback" not in process.stderr
    printed = json.loads(process.stdout)
    seen = printed["seen"]
    assert {(each["batch_size"], each["last_rate"]) for each in seen} == {(4, 0.01)}
    assert {each["batch_size_by_wandb"] for each in seen} == {4}
    if method != "fork":
        assert not seen[0]["wandb_was_imported"]

    runs = {path.name[-8:]: read_run(path) for path in tmp_path.glob("wandb/offline-run-*")}
    assert {run.exit_code for run in runs.values()} == {0}
    main = runs.pop(printed["id"])
    assert sorted(main.column("loader/item")) == list(range(7))
    assert main.column("main") == [1]
    assert sorted(item for run in runs.values() for item in run.column("item")) == list(range(7))
    assert len(runs) == 1 + len({each["process"] for each in seen})
    assert all(run.config["batch_size"] == 4 for run in runs.values())


def test_worker_that_outlives_the_main_script(tmp_path):
    process = run_script(LATE, str(tmp_path), KERAS_BACKEND="jax")
    assert process.returncode == 0, process.stderr
    assert "Traceback" not in process.stderr
    runs = [read_run(path) for path in tmp_path.glob("wandb/offline-run-*")]
    assert sorted(run.column("item") for run in runs) == [[], [7, 8]]
    assert {run.exit_code for run in runs} == {0}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal")
def test_sigterm_that_the_main_thread_does_not_see(tmp_path):
    process = run_script(UNNOTICED, str(tmp_path), KERAS_BACKEND="jax")
    assert process.stdout.strip() == str(128 + signal.SIGTERM), process.stderr
    assert [read_run(path).exit_code for path in tmp_path.glob("wandb/offline-run-*")] == [0, 0]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_sigterm_of_a_workers_child_leaves_the_worker_alone(tmp_path):
    process = run_script(ENDS_A_CHILD, str(tmp_path), KERAS_BACKEND="jax")
    assert process.stdout.strip() == "0", process.stderr
    runs = [read_run(path) for path in tmp_path.glob("wandb/offline-run-*")]
    assert sorted(run.column("later") for run in runs) == [[], [1]]


def test_runs_that_take_nothing(tmp_path):
    process = run_script(ODD_RUNS, str(tmp_path), KERAS_BACKEND="jax")
    assert process.returncode == 0, process.stderr
    assert "cannot log to run" in process.stdout
    (path,) = tmp_path.glob("wandb/offline-run-*")
    assert read_run(path).history == []


def test_main_process(offline_run, read_back):
    run = offline_run(config=CONFIG)
    worker_run = WorkerRun(run)
    run.config.update({"later": 1})
    worker_run.log({"loader/item": 0})

    assert worker_run.own_run() is run
    assert "later" not in worker_run.config
    assert read_back(run).column("loader/item") == [0]


def test_finish_timeout_is_checked(offline_run):
    offline_run()
    with pytest.raises(ValueError, match="finish_timeout=0"):
        WorkerRun(finish_timeout=0)
