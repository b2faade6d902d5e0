"""Worker processes that log to a server: to the run of the main process, and to their own."""

import pytest
import wandb

from wandb_loopback import API_KEY
from wandb_loopback.reading import column, read_path
from wk_testing.scripts import run_script

pytestmark = pytest.mark.backend_free

SCRIPT = """
import multiprocessing, sys
import wandb
from wk_core.worker.worker_run import WorkerRun
from wk_testing import workers

mode, directory = sys.argv[1:]
multiprocessing.set_start_method("spawn")
settings = wandb.Settings(mode=mode)
with wandb.init(project="p", id="main", config=workers.CONFIG, settings=settings) as run:
    worker_run = WorkerRun(job_type="loader")
    with multiprocessing.Pool(2) as pool:
        path = f"{directory}/hangs"
        pool.apply_async(workers.report_and_hang, (worker_run, 0, path))
        workers.wait_for(path)
        items = [(worker_run, number) for number in range(1, 6)]
        pool.starmap(workers.report, items, chunksize=1)
    run.log({"main": 1})
"""


@pytest.mark.parametrize("mode", ["online", "shared"])
def test_two_workers(mode, wandb_server, tmp_path):
    process = run_script(SCRIPT, mode, str(tmp_path), KERAS_BACKEND="jax")
    assert process.returncode == 0, process.stderr

    api = wandb.Api(overrides={"base_url": wandb_server.url}, api_key=API_KEY)
    runs = {run.id: run for run in api.runs(f"{api.default_entity}/p")}
    main = read_path(f"{api.default_entity}/p/main", wandb_server.url)
    del runs["main"]
    assert main.state == "finished"
    assert sorted(column(main, "loader/item")) == list(range(6))
    assert column(main, "main") == [1]
    assert len(runs) == 2
    assert {(run.group, run.job_type, run.state) for run in runs.values()} == {
        ("main", "loader", "finished")
    }
    logged = sorted(item for run in runs.values() for item in column(run, "item"))
    assert logged == list(range(6))
