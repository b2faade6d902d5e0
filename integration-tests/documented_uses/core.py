"""The documented uses of wk-core."""

import copy
import threading
from pathlib import Path
from typing import Any

import numpy as np
import wandb

from documented_uses.recorder import Recorder
from documented_uses.training import fit, linear_model
from documented_uses.use import use
from wk_core import (
    AsyncLogger,
    CopyError,
    Process,
    RunCallback,
    TaskQueue,
    WorkerConfig,
    WorkerRun,
    define_axis,
    log_artifact,
    resolve_run,
    set_process,
    shared_settings,
    this_process,
)
from wk_core.compat.keras.flavour import keras


class _WeightNorm(RunCallback, keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Logs the norm of the last layer's weights at the end of each epoch."""

    def __init__(self, *, run: wandb.Run | None = None) -> None:
        super().__init__()
        self._report_to(run)

    def _begin_session(self, run: wandb.Run) -> wandb.Run:
        define_axis(run, "weights", "epoch")
        return run

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        norm = np.linalg.norm(self.model.layers[-1].get_weights()[0])
        self._session.log({"weights/epoch": epoch, "weights/norm": float(norm)})


class _CopyInFit(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Tries to copy another callback while `fit` runs."""

    def __init__(self, other: Any) -> None:
        super().__init__()
        self._other = other
        self.raised = ""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        try:
            copy.deepcopy(self._other)
        except CopyError as error:
            self.raised = type(error).__name__


@use()
def callback_of_ones_own(record: Recorder) -> None:
    """Logs with an axis of its own, and a copy of the callback to the next run."""
    with record.run("first"):
        callback = _WeightNorm()
        again = copy.deepcopy(callback)
        fit(linear_model(), [callback])
    with record.run("second"):
        fit(linear_model(), [again])


@use()
def copies(record: Recorder) -> None:
    """Refuses a copy while `fit` runs."""
    from wk_metrics import WandbMetricsLogger

    with record.run():
        logger = WandbMetricsLogger()
        copying = _CopyInFit(logger)
        fit(linear_model(), [logger, copying], epochs=1)
    record.note("raised", copying.raised)


@use()
def finding_a_run(record: Recorder) -> None:
    """Takes the run that is given, else the active one, else says that there is none."""
    with record.run() as run:
        record.note("the active run", resolve_run("Look") is run)
        record.note("the given run", resolve_run("Look", run) is run)
    try:
        resolve_run("Look")
    except wandb.Error as error:
        record.note("without a run", str(error))


@use()
def rows_in_the_background(record: Recorder) -> None:
    """Logs rows in order, in another thread."""
    with record.run() as run:
        logger = AsyncLogger(run, "MyCallback")
        threads = set()

        def row(step: int) -> dict[str, Any]:
            threads.add(threading.get_ident())
            return {"value": step}

        for step in range(3):
            logger.log(lambda step=step: row(step))  # type: ignore[misc]  # mypy: default of a lambda
        logger.close()
    record.note("in one thread of its own", len(threads - {threading.get_ident()}))


@use()
def tasks_in_the_background(record: Recorder) -> None:
    """Runs tasks in order, and brings an error back."""
    done: list[int] = []
    queue = TaskQueue("example", capacity=2)
    for number in range(4):
        queue.submit(lambda number=number: done.append(number))  # type: ignore[misc]  # as above
    queue.flush()
    queue.submit(lambda: [].pop())
    record.note("done", done)
    record.note("error", type(queue.close()).__name__)


@use()
def artifacts(record: Recorder) -> None:
    """Logs a file and a directory as a version of an artifact."""
    Path("labels.txt").write_text("cat\ndog\n")
    Path("more/deep").mkdir(parents=True)
    Path("more/deep/facts.txt").write_text("2\n")
    with record.run() as run:
        log_artifact(
            run,
            name="labels",
            type="dataset",
            paths=[Path("labels.txt"), Path("more")],
            aliases=["latest", "checked"],
            metadata={"classes": 2},
        )


@use()
def processes(record: Recorder) -> None:
    """Says which process of a training this is."""
    set_process(1, 4)
    try:
        process = this_process()
        record.note("the second of four", process == Process(1, 4, "set_process"))
        record.note("it writes", process.writes)
        settings = shared_settings()
        record.note("settings", {"mode": settings.mode, "label": settings.x_label})
    finally:
        set_process(None)
    record.note("alone it writes", this_process().writes)


@use()
def run_of_workers(record: Recorder) -> None:
    """Gives a data loader the config, and logs from it."""
    with record.run(config={"batch_size": 8, "optimizer": {"name": "sgd"}}) as run:
        worker_run = WorkerRun(job_type="loader", finish_timeout=5)
        config: WorkerConfig = worker_run.config
        record.note("config", [config.batch_size, config.optimizer.name, config["batch_size"]])
        record.note("is a WorkerConfig", isinstance(config, WorkerConfig))
        worker_run.log({"loader/batch": 0})
        record.note("own run in the main process", worker_run.own_run() is run)
