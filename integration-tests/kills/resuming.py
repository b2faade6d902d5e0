"""Kills one training again and again, which goes on by itself, and compares its end.

`python -m kills.resuming --kills 200` from the directory that holds the package. Each process runs
the same few lines: it begins the run of one id, and calls `fit` with `resume="auto"`. It is killed
at any instant, also while it starts or saves. The last one trains to the end. Then the weights, the
best version and each row of the run are held against those of a training that was left in peace.
Rows that wandb had not sent when it was killed are counted. Ends with status 1 if anything differs.
"""

import argparse
import contextlib
import multiprocessing
import os
import random
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import psutil

from kills.__main__ import prepare_environment

__all__ = ["compare", "train"]

_EARLY: Final = 0.2  # the share of the kills that may come before `fit` has begun
_LONGEST_WAIT: Final = 1.5  # seconds to the kill, from the start of the process or of `fit`
_WITH_CLIENT: Final = 0.5  # the share of the kills that also meet wandb's own process
_EPOCHS_PER_KILL: Final = 1.5
_PAUSE: Final = 0.03  # seconds after a batch, as long as kills are to come
_AXES: Final = {"batch/batch_step": "batch/loss", "epoch/epoch": "epoch/loss"}


def main() -> None:
    """Kills, compares, and says what was found."""
    parser = argparse.ArgumentParser(prog="python -m kills.resuming", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="how often it is killed")
    parser.add_argument("--seed", type=int, default=0, help="decides the moments")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        directory = Path(name)
        prepare_environment(directory)
        from wandb_loopback import WandbServer

        with closing(WandbServer(directory / "server")) as server:
            os.environ |= server.environment
            server.start()
            started = time.monotonic()
            epochs = round(options.kills * _EPOCHS_PER_KILL) + 2
            restarts = kill(options.kills, epochs, random.Random(options.seed), directory)
            found = compare(directory, server.url)
            seconds = time.monotonic() - started
    print(f"{options.kills} kills, {restarts} after the first checkpoint, in {seconds:.0f} s")
    print(*found or ["the same as a training that was left in peace"], sep="\n")
    sys.exit(1 if found else 0)


def kill(kills: int, epochs: int, moments: random.Random, directory: Path) -> int:
    """Kills a training so often, then lets it end, and lets another one run in peace.

    Returns:
        How many kills met a training that had saved a checkpoint.
    """
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["kills.resuming", "wk_testing.resuming", "wk_metrics"])

    def start(run_id: str, pause: float) -> tuple[Any, Any]:
        has_begun = processes.Event()
        arguments = (directory, run_id, epochs, pause, has_begun)
        process = processes.Process(target=train, args=arguments)
        process.start()
        return process, has_begun

    after_checkpoint = 0
    for _ in range(kills):
        process, has_begun = start("killed", _PAUSE)
        if moments.random() > _EARLY:
            while not has_begun.wait(1) and process.is_alive():
                pass
        process.join(moments.uniform(0, _LONGEST_WAIT))
        if process.exitcode is not None:
            raise RuntimeError(f"a training ended by itself, with status {process.exitcode}")
        end(process, with_client=moments.random() < _WITH_CLIENT)
        after_checkpoint += (directory / "killed.keras").exists()
    for run_id in ("killed", "left-in-peace"):
        process, _ = start(run_id, 0.0)
        process.join()
        if process.exitcode:
            raise RuntimeError(f"the training {run_id} ended with status {process.exitcode}")
    return after_checkpoint


def end(process: Any, *, with_client: bool) -> None:
    """Kills a training; wandb's process with it, as where a machine goes down, or alone.

    If it is left alone, it may send some more rows before it ends, which is waited for: a run that
    goes on meanwhile would overwrite them on the server.
    """
    clients = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.join()
    for client in clients if with_client else []:
        with contextlib.suppress(psutil.NoSuchProcess):
            client.kill()
    psutil.wait_procs(clients, timeout=60)


def train(directory: Path, run_id: str, epochs: int, pause: float, has_begun: Any) -> None:
    """Trains a model, from wherever its run stands to the end.

    Args:
        directory: Where everything goes.
        run_id: The id of the run.
        epochs: The number of epochs.
        pause: How many seconds to wait after each batch.
        has_begun: An event that is set when `fit` has begun.
    """
    import keras
    import numpy as np
    import wandb

    from wk_checkpoint import WandbModelCheckpoint
    from wk_metrics import WandbMetricsLogger
    from wk_testing.resuming import Shuffled, random_model, values

    wait = keras.callbacks.LambdaCallback(
        on_train_begin=lambda *_, **__: has_begun.set(),
        on_train_batch_end=lambda *_, **__: time.sleep(pause),
    )
    path = directory / f"{run_id}.keras"
    with wandb.init(project="kills", id=run_id, resume="allow", dir=directory):
        model = random_model()
        checkpoint = WandbModelCheckpoint(path, "loss", save_freq=3, resume="auto")
        callbacks = [WandbMetricsLogger("batch"), checkpoint, wait]
        model.fit(Shuffled(), epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks)
    np.savez(directory / f"{run_id}.npz", *values(model))


def compare(directory: Path, url: str) -> list[str]:
    """Returns in what the killed training differs from the one that was left in peace."""
    import numpy as np

    from wandb_loopback.reading import aliases, read_path
    from wk_testing.resuming import same

    ends = []
    for run_id in ("killed", "left-in-peace"):
        with np.load(directory / f"{run_id}.npz") as file:
            ends.append([file[name] for name in file.files])
    found = [] if same(*ends) else ["other weights"]
    killed, peaceful = (read_path(f"kills/{run_id}", url) for run_id in ("killed", "left-in-peace"))
    for axis, key in _AXES.items():
        one, other = (rows_of(run, axis, key) for run in (killed, peaceful))
        found += [f"{axis} {number} has {key} {value}" for number, value in one - other]
        lost = len({number for number, _ in other} - {number for number, _ in one})
        print(f"{lost} of {len(other)} rows of {axis} were lost in wandb's process")
    best = [
        {alias for names in aliases(run).values() if "best" in names for alias in names}
        for run in (killed, peaceful)
    ]
    # A version that was saved twice, before and after a kill, has one content and all names.
    if best[0] != best[1]:
        found.append(f"the best version is {best[0]}, not {best[1]}")
    return found


def rows_of(run: Any, axis: str, key: str) -> set[tuple[int, float]]:
    """Returns the values of a key by the numbers of its axis."""
    from wk_testing.client import history

    rows = (row for row in history(run) if row.get(axis) is not None)
    return {(row[axis], row[key]) for row in rows}


if __name__ == "__main__":
    main()
